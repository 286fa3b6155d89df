/** Loaded into each server under measurement: SIGUSR2 collects its garbage and prints what is left. */
process.on('SIGUSR2', () => {
  // Twice: what finalizers let go of in the first collection is freed by the second.
  globalThis.gc?.();
  globalThis.gc?.();
  process.stdout.write(`bench: heap ${process.memoryUsage().heapUsed}\n`);
});
