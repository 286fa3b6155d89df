/** Something that a schema holds: a column, an index or a constraint. */
export interface Fact {
  readonly table: string;
  /** All there is to say of it, so that two are the same when their texts are. */
  readonly text: string;
}

/** A place with a schema that statements change. */
export interface SchemaPlace {
  /** Runs statements, with semicolons between. */
  run(script: string): Promise<void>;
  facts(): Promise<readonly Fact[]>;
}

/** A connection that migrates. Whoever opens it closes it; a transaction that is open then has never been. */
export interface MigrationSession extends SchemaPlace {
  rows(query: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** The moment in SQL, as a column of times keeps it. */
  readonly now: string;
  /** Begins a transaction. Of all that migrate the database, one at a time gets past it. */
  begin(): Promise<void>;
  rollback(): Promise<void>;
  /** Lets `work` change an empty schema, of which nothing stays. Must not be called within a transaction. */
  onScratch<T>(work: (scratch: SchemaPlace) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
