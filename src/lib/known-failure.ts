/** Something cannot be done for a reason that is no fault of the program: its message is all that there is to say. */
export class KnownFailure extends Error {}
