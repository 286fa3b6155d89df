import type { Reporter } from 'vitest/node';

/** Fails the run when two tests of a file have one name: a report could not say which of them it means. */
export const uniqueNames: Reporter = {
  onTestRunEnd(modules) {
    for (const { relativeModuleId, children } of modules) {
      const names = Array.from(children.allTests(), ({ fullName }) => fullName);
      const repeated = names.filter((name, index) => names.indexOf(name) < index);
      for (const name of new Set(repeated))
        process.stderr.write(`${relativeModuleId}: several tests are named "${name}"\n`);
      if (repeated.length > 0) process.exitCode = 1;
    }
  },
};
