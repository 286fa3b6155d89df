/** @throws when it takes longer */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let patience: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    patience = setTimeout(() => reject(new Error(`nothing within ${ms} ms`)), ms);
  });
  return Promise.race([work, silence]).finally(() => clearTimeout(patience));
}
