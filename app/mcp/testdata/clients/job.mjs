// The whole job of somebody who talks to a model, done by a client: look,
// try, make, acknowledge, delete. `open` returns a client of some SDK, era and
// transport; everything else is the same for all of them.
import assert from 'node:assert/strict';

const seconds = 1000;

// until waits for something to become true.
async function until(what, ok) {
  const end = Date.now() + 30 * seconds;
  for (;;) {
    const got = await ok();
    if (got) return got;
    assert.ok(Date.now() < end, `waited in vain until ${what}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

// did tells how far the job has come.
function did(step) {
  console.log(step);
}

function textOf(result) {
  return result.content.filter(c => c.type === 'text').map(c => c.text).join('\n');
}

async function ok(client, name, args, options) {
  const result = await client.call(name, args, options);
  assert.ok(!result.isError, `${name} was refused: ${textOf(result)}`);
  assert.deepEqual(JSON.parse(textOf(result)), result.structuredContent);
  return result.structuredContent;
}

async function refused(client, name, args) {
  const result = await client.call(name, args);
  assert.ok(result.isError, `${name} was not refused: ${textOf(result)}`);
  return textOf(result);
}

// job runs everything. name is the title of the rule it makes; slow a
// measurement that is never read to the end, and patience tells how often that
// was begun and given up.
export async function job({ open, name, slow, patience }) {
  const asked = [];
  let answer = 'accept';
  const silent = await open({});
  const client = await open({ elicit: request => (asked.push(request), { action: answer, content: answer === 'accept' ? { agree: true } : undefined }) });
  await look(silent);
  await look(client);
  const rule = await make(client, name);
  await hear(client, rule);
  const alert = await take(client, rule);
  await preview(client, rule);
  await cancel(client, slow, patience);

  // Delete: asked and declined, asked and agreed to.
  answer = 'decline';
  assert.match(await refused(client, 'delete_alert_rule', { rule: rule.id }), /said no/);
  assert.equal(asked.length, 1);
  assert.match(asked[0].message, new RegExp(name));
  answer = 'accept';
  const gone = await ok(client, 'delete_alert_rule', { rule: rule.id });
  assert.equal(asked.length, 2);
  did('deleted as the user agreed');

  // Undone, and deleted by a client without a user, who gets a token; and by
  // one whose user closes the question.
  await ok(client, 'undo_change', { undo: gone.undo });
  const asks = await ok(silent, 'delete_alert_rule', { rule: rule.id });
  assert.ok(asks.confirm);
  assert.match(asks.summary, /Nothing was changed/);
  await ok(client, 'list_alert_rules', { rule: rule.id });
  answer = 'cancel';
  const asksToo = await ok(client, 'delete_alert_rule', { rule: rule.id });
  assert.equal(asked.length, 3);
  assert.ok(asksToo.confirm);
  assert.match(await refused(silent, 'delete_alert_rule', { rule: rule.id, confirm: 'x' + asks.confirm }), /refused \(/);
  await ok(silent, 'delete_alert_rule', { rule: rule.id, confirm: asks.confirm });
  const left = await ok(client, 'list_alert_rules', { text: name });
  assert.equal(left.total, 0);
  did('deleted by token');

  const closed = await ok(client, 'list_alerts', { id: alert.id });
  assert.equal(closed.alerts[0].status, 'resolved');
  assert.deepEqual(silent.heard(), [], 'a client that asked for no news hears none');
  await silent.close();
  await client.close();
  did('done');
}

async function look(client) {
  const { tools } = await client.listTools();
  assert.ok(tools.length >= 16);
  const draws = ['preview_alert_rule', 'query_data']; // an answer with a picture is not described
  assert.ok(tools.every(t => t.title && t.annotations && !!t.outputSchema !== draws.includes(t.name)));
  await ok(client, 'get_status', {});
  const data = await ok(client, 'describe_data', { measurement: 'temperature' });
  assert.match(JSON.stringify(data), /celsius/);
  assert.match(await refused(client, 'list_alerts', { status: 'resolvd' }), /did you mean "resolved"/);
  const { prompts } = await client.listPrompts();
  const prompt = await client.getPrompt({ name: prompts[0].name });
  assert.ok(prompt.messages[0].content.text.length > 100);
  const done = await client.complete({ ref: { type: 'ref/prompt', name: 'set_up_monitoring' }, argument: { name: 'measurement', value: 'temp' } });
  assert.deepEqual(done.completion.values, ['temperature']);
  const { resourceTemplates } = await client.listResourceTemplates();
  assert.equal(resourceTemplates.length, 1);
  const { contents } = await client.readResource({ uri: 'tocsin://reference' });
  assert.match(contents[0].text, /keep_firing_for/);
  await assert.rejects(client.readResource({ uri: 'tocsin://nothing' }), /not found/);
  did('looked around');
}

async function make(client, name) {
  const wanted = {
    title: name, measurement: 'temperature', field: 'celsius', group_by: ['sensor'], every: '1s',
    condition: { type: 'threshold', aggregation: 'mean', window: '5s', operator: '>', value: -15 },
  };
  const dry = await ok(client, 'create_alert_rule', { ...wanted, dry_run: true });
  assert.match(dry.summary, /[Nn]othing was (created|changed|saved)|would/);
  assert.equal((await ok(client, 'list_alert_rules', { text: name })).total, 0);
  did('tried a rule');
  if (client.modern) {
    client.news = await client.listen({ resourceSubscriptions: ['tocsin://alerts'], resourcesListChanged: true });
  } else {
    await client.listResources();
    await client.subscribe('tocsin://alerts');
  }
  const { rule } = await ok(client, 'create_alert_rule', wanted);
  did('made it');
  return rule;
}

// hear waits for the news that the rule fires.
async function hear(client, rule) {
  const about = method => client.heard().filter(n => n.method === method);
  await until('an alert is news', () => about('notifications/resources/updated').some(n => n.params.uri === 'tocsin://alerts'));
  await until('the list of resources is news', () => about('notifications/resources/list_changed').length > 0);
  await until('the alert is among the resources', async () => {
    const { contents } = await client.readResource({ uri: 'tocsin://alerts' });
    return JSON.parse(contents[0].text).alerts.some(a => a.rule_id === rule.id);
  });
  const other = client.heard().filter(n => !/^notifications\/resources\/(updated|list_changed)$/.test(n.method) || (n.params?.uri ?? 'tocsin://alerts') !== 'tocsin://alerts');
  assert.deepEqual(other, [], 'nothing is heard that was not asked for');
  did('heard of the alert');
}

async function take(client, rule) {
  const list = await ok(client, 'list_alerts', { rule: rule.id, status: 'firing' });
  const alert = list.alerts[0];
  assert.deepEqual(alert.series, { sensor: 'a' });
  const { resources } = await client.listResources();
  assert.ok(resources.some(r => r.uri === `tocsin://alerts/${alert.id}`));
  const why = await ok(client, 'explain_alert', { id: alert.id });
  assert.match(JSON.stringify(why), /celsius/);
  const taken = await ok(client, 'acknowledge_alert', { id: alert.id, note: 'door was open' });
  assert.equal(taken.alert.status, 'acknowledged');
  did('acknowledged it');
  return alert;
}

async function preview(client, rule) {
  const seen = [];
  const result = await client.call('preview_alert_rule', { rule: rule.id, since: '6h', chart: true }, { onprogress: p => seen.push(p) });
  assert.ok(!result.isError, textOf(result));
  assert.ok(result.content.some(c => c.type === 'image' && c.mimeType === 'image/png'), 'a chart');
  assert.equal(seen.at(-1)?.progress, 100, 'progress to the end');
  for (const [i, p] of seen.entries()) {
    assert.ok(p.total === 100 && p.progress > (seen[i - 1]?.progress ?? 0), JSON.stringify(seen));
  }
  did('saw progress');
}

// cancel gives up a call; the query behind it ends too.
async function cancel(client, slow, patience) {
  const before = await patience();
  const giveUp = new AbortController();
  const call = client.call('query_data', { measurement: slow, field: 'value', since: '1h' }, { signal: giveUp.signal });
  const failed = assert.rejects(call);
  await until('the query runs', async () => (await patience()).begun > before.begun);
  giveUp.abort('enough');
  await failed;
  const aborted = Date.now();
  await until('the query ends', async () => (await patience()).given_up > before.given_up);
  assert.ok(Date.now() - aborted < 3 * seconds, 'the query ends at once');
  await ok(client, 'list_channels', {});
  did('cancelled a call');
}
