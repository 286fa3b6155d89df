import { defineConfig } from 'prisma/config';

// `generate` asks for an engine binary that it never runs; any executable stands in, so that nothing is downloaded.
if (process.argv.includes('generate')) process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({ schema: 'prisma/schema.prisma' });
