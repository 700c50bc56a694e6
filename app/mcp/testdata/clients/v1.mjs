// A client of the first SDK, which speaks the protocol with sessions.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { run } from './run.mjs';

await run({ Stdio: StdioClientTransport, HTTP: StreamableHTTPClientTransport }, async ({ transport, elicit }) => {
  const client = new Client({ name: 'sdk-v1', version: '1' }, { capabilities: elicit ? { elicitation: {} } : {} });
  const news = [];
  client.fallbackNotificationHandler = async n => void news.push(n);
  if (elicit) client.setRequestHandler(ElicitRequestSchema, async request => elicit(request.params));
  await client.connect(transport);
  return {
    listTools: () => client.listTools(),
    listPrompts: () => client.listPrompts(),
    getPrompt: params => client.getPrompt(params),
    complete: params => client.complete(params),
    listResources: () => client.listResources(),
    listResourceTemplates: () => client.listResourceTemplates(),
    readResource: params => client.readResource(params),
    subscribe: uri => client.subscribeResource({ uri }),
    call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
    heard: () => news,
    close: () => client.close(),
  };
});
