/** What a shell does to the stdout of a program, which it is given as its arguments, so that nothing written there arrives. */
export const lostOutput = {
  /** The reader has ended before the program begins. */
  unread: 'exec 3> >(:); wait $!; exec "$0" "$@" >&3 3>&-',
  /** The device is one that is always full. */
  full: 'exec "$0" "$@" >/dev/full',
} as const;
