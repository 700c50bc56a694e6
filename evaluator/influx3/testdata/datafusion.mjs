// Runs SQL on DataFusion for the test server. It reads one JSON text a line
// from stdin and writes one answer a line to stdout. The package can only print
// tables, so a result is made a view, its types are looked up, and its cells
// are printed in hexadecimal.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

console.log = () => {}; // the package greets on stdout
process.on('uncaughtException', (e) => { // the whole glue stands in the stack
  process.stderr.write('datafusion: ' + e.message + '\n');
  process.exit(1);
});
const dir = process.argv[2];
// The glue forgets to tell the engine how long a text that is not ASCII became,
// which ruins its heap.
const broken = 'offset += ret.written;';
const source = readFileSync(dir + '/datafusion_wasm_bg.js', 'utf8')
  .replace(broken, broken + ' ptr = realloc(ptr, len, offset, 1) >>> 0;');
const glue = await import('data:text/javascript;base64,' + Buffer.from(source).toString('base64'));
const { instance } = await WebAssembly.instantiate(
  readFileSync(dir + '/datafusion_wasm_bg.wasm'), { './datafusion_wasm_bg.js': glue });
glue.__wbg_set_wasm(instance.exports);
instance.exports.__wbindgen_start?.();
const engine = glue.DataFusionContext.new();

const name = (text) => '"' + text.replaceAll('"', '""') + '"';
const unhex = (text) => Buffer.from(text, 'hex').toString('utf8');

// cells reads a printed table: three lines above the rows and one below.
async function cells(sql) {
  const lines = (await engine.execute_sql(sql)).trim().split('\n');
  return lines.slice(3, -1).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
}

const hex = (expr) => `CASE WHEN ${expr} IS NULL THEN 'null' ELSE concat('x', encode(CAST(${expr} AS VARCHAR), 'hex')) END`;

async function answer(sql) {
  await engine.execute_sql('CREATE OR REPLACE VIEW bridge.result AS ' + sql);
  const described = await cells(`SELECT encode(column_name, 'hex'), data_type FROM information_schema.columns
    WHERE table_schema = 'bridge' AND table_name = 'result' ORDER BY ordinal_position`);
  const columns = described.map(([column, type]) => ({ name: unhex(column), type }));
  const printed = columns.map(({ name: column, type }, i) =>
    hex(type.startsWith('Timestamp') ? `CAST(${name(column)} AS BIGINT)` : name(column)) + ` AS c${i}`);
  const rows = await cells(`SELECT ${printed.join(', ')} FROM bridge.result`);
  return { columns, rows: rows.map((row) => row.map((cell) => (cell === 'null' ? null : unhex(cell.slice(1))))) };
}

for (const sql of [
  'SET datafusion.execution.target_partitions = 1',
  'CREATE SCHEMA iox',
  'CREATE SCHEMA bridge',
  "SET datafusion.catalog.default_schema = 'iox'",
]) await engine.execute_sql(sql);

for await (const line of createInterface({ input: process.stdin })) {
  const sql = JSON.parse(line);
  let out;
  try {
    out = /^(SELECT|WITH)\b/i.test(sql) ? await answer(sql) : { printed: await engine.execute_sql(sql) };
  } catch (e) {
    out = { error: String(e) };
  }
  process.stdout.write(JSON.stringify(out) + '\n');
}
