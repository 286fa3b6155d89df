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
      breaks: 'several hosts are taken for the first',
      file: 'src/transports/request-target.ts',
      find: '  return count > 1;',
      replace: '  return count > 2;',
      tests: ['test/doors/http-forms.test.ts'],
    },
  ],
};
