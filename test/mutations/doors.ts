import type { Area } from './fault.ts';

/** What stands between an operation and the wire. */
export const doors: Area = {
  name: 'doors',
  tests: ['test/doors/rest-lists.test.ts'],
  faults: [
    {
      breaks: 'REST lists 19 runs of a user',
      file: 'src/limits.ts',
      find: 'defaultRunsOfUser: 20,',
      replace: 'defaultRunsOfUser: 19,',
    },
    {
      breaks: 'REST replays 21 events',
      file: 'src/limits.ts',
      find: 'defaultReplay: 20,',
      replace: 'defaultReplay: 21,',
    },
    {
      breaks: 'the cursor of a list of REST jumps to the head',
      file: 'src/transports/rest/recent.ts',
      find: 'pageInfo.hasNextPage ? pageInfo.endCursor : user.headCursor',
      replace: 'user.headCursor',
    },
    {
      breaks: 'the cursor of a list of REST stays behind what does not match',
      file: 'src/transports/rest/recent.ts',
      find: 'pageInfo.hasNextPage ? pageInfo.endCursor : user.headCursor',
      replace: 'pageInfo.endCursor ?? user.headCursor',
    },
    {
      breaks: 'a connection that waits for its next request is cut when the server stops',
      file: 'src/transports/idle-connections.ts',
      find: '    setTimeout(() => {\n      for (const socket of idle) socket.destroy();\n    }, GRACE_MS);',
      replace: '    for (const socket of idle) socket.destroy();',
      tests: ['test/doors/idle-connections.test.ts'],
    },
    {
      breaks: 'a request that offers another protocol takes the place of the ones before it',
      file: 'src/transports/ignored-upgrade.ts',
      find: 'if (!before || before.closed) {',
      replace: 'if (!before?.headersSent || !before.closed) {',
      tests: ['test/doors/http-forms.test.ts'],
    },
    {
      breaks: 'a request that offers another protocol keeps the server from stopping',
      file: 'src/transports/http.ts',
      find: '        ignored.cut();\n',
      replace: '',
      tests: ['test/doors/http-forms.test.ts'],
    },
    {
      breaks: 'an API key that was revoked here is sent to Open Wearables',
      file: 'src/auth/api-keys.ts',
      find: 'if (!row) return (await this.#elsewhere',
      replace: 'if (!row || !this.isGood(row)) return (await this.#elsewhere',
      tests: ['test/doors/keys-of-open-wearables.test.ts'],
    },
    {
      breaks: 'an API key follows a redirect to another server',
      file: 'src/auth/ask-open-wearables.ts',
      find: "redirect: 'manual',",
      replace: '',
      tests: ['test/lib/open-wearables-keys.test.ts'],
    },
    {
      breaks: 'a page that anybody gets makes every API key a good one',
      file: 'src/auth/ask-open-wearables.ts',
      find: 'if (isListOfUsers(await readText(response))) return true;',
      replace: 'if ((await readText(response)) !== undefined) return true;',
      tests: ['test/lib/open-wearables-keys.test.ts'],
    },
    {
      breaks: 'a key that is revoked at Open Wearables keeps its streams',
      file: 'src/auth/credential-watch.ts',
      find: '.then((isRevoked) => isRevoked && this.#endKey(id));',
      replace: ';',
      tests: ['test/doors/keys-of-open-wearables.test.ts'],
    },
    {
      breaks: 'made-up API keys are all asked about',
      file: 'src/auth/open-wearables-keys.ts',
      find: ': !isOfStream && !this.#mayAsk(now)) throw',
      replace: ': false) throw',
      tests: ['test/lib/open-wearables-keys.test.ts'],
    },
    {
      breaks: 'several hosts are taken for the first',
      file: 'src/transports/request-target.ts',
      find: '  return count > 1;',
      replace: '  return count > 2;',
      tests: ['test/doors/http-forms.test.ts'],
    },
  ],
};
