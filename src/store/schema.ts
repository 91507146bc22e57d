// The schema of parapet.db as steps: user_version counts those done. A step that was released is never edited; a change is
// a new step at the end. Claims are kept whole as JSON beside the columns that are searched, so that the contract may grow
// without a step.

export const migrations: readonly string[] = [
  `
  CREATE TABLE findings (
    id TEXT PRIMARY KEY, at INTEGER NOT NULL, plane TEXT NOT NULL, detector TEXT NOT NULL,
    severity INTEGER NOT NULL, asset TEXT NOT NULL, json TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX findings_at ON findings (at);
  CREATE INDEX findings_severity ON findings (severity, at);
  CREATE INDEX findings_asset ON findings (asset, at);

  CREATE TABLE incidents (
    id TEXT PRIMARY KEY, firstAt INTEGER NOT NULL, lastAt INTEGER NOT NULL, severity INTEGER NOT NULL, json TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX incidents_lastAt ON incidents (lastAt);

  CREATE TABLE trust (
    asset TEXT NOT NULL, at INTEGER NOT NULL, trust REAL NOT NULL, json TEXT NOT NULL, PRIMARY KEY (asset, at)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE verdicts (
    id TEXT PRIMARY KEY, at INTEGER NOT NULL, command TEXT NOT NULL, decision TEXT NOT NULL, json TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX verdicts_at ON verdicts (at);

  CREATE TABLE actions (
    id TEXT PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL,
    logFile TEXT NOT NULL, logOffset INTEGER NOT NULL, hash TEXT NOT NULL, json TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX actions_at ON actions (at);

  CREATE TABLE checkpoints (number INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
  CREATE TABLE checkpoint_sources (
    checkpoint INTEGER NOT NULL REFERENCES checkpoints ON DELETE CASCADE,
    file TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (checkpoint, file)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE checkpoint_detectors (
    checkpoint INTEGER NOT NULL REFERENCES checkpoints ON DELETE CASCADE,
    name TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (checkpoint, name)
  ) STRICT;
  `,
];
