// A client of the second SDK, which speaks both revisions of the protocol.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { run } from './run.mjs';

await run({ Stdio: StdioClientTransport, HTTP: StreamableHTTPClientTransport }, async ({ transport, elicit, era }) => {
  const modern = era === 'modern';
  const client = new Client({ name: 'sdk-v2', version: '1' }, {
    capabilities: elicit ? { elicitation: {} } : {},
    versionNegotiation: { mode: modern ? { pin: '2026-07-28' } : 'legacy' },
  });
  const news = [];
  client.fallbackNotificationHandler = async n => void news.push(n);
  if (elicit) client.setRequestHandler('elicitation/create', async request => elicit(request.params));
  await client.connect(transport);
  return {
    modern,
    listTools: () => client.listTools(),
    listPrompts: () => client.listPrompts(),
    getPrompt: params => client.getPrompt(params),
    complete: params => client.complete(params),
    listResources: () => client.listResources(),
    listResourceTemplates: () => client.listResourceTemplates(),
    readResource: params => client.readResource(params),
    subscribe: uri => client.subscribeResource({ uri }),
    listen: filter => client.listen(filter),
    call: (name, args, options) => client.callTool({ name, arguments: args }, options),
    heard: () => news,
    close: () => client.close(),
  };
});
