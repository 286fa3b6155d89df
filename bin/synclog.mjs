#!/usr/bin/env node
// Starts the server from any folder, without npm between it and whoever supervises it: `node /path/to/bin/synclog.mjs`.
import { register } from 'tsx/esm/api';

register();
await import('../src/main.ts');
