// Runs the job with an SDK. The task is told by JSON in the first argument:
// {name, era, slow, patience, command, args} for standard input and output, {..., url}
// for HTTP; the token of the latter is in the environment.
import { job } from './job.mjs';

export async function run(transports, connect) {
  const task = JSON.parse(process.argv[2]);
  const transport = () => task.url
    ? new transports.HTTP(new URL(task.url), { requestInit: { headers: { Authorization: `Bearer ${process.env.TOKEN}` } } })
    : new transports.Stdio({ command: task.command, args: task.args, stderr: 'inherit', env: process.env });
  await job({
    name: task.name,
    open: ({ elicit }) => connect({ transport: transport(), elicit, era: task.era }),
    slow: task.slow,
    patience: async () => (await fetch(task.patience)).json(),
  });
}
