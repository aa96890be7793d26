// What an application does with amqplib, against the nodes whose URIs are given.
//
// usage: node conformance.js URI [URI ...]     (one node given three times will do)
//
// Prints "ok - <behaviour>" or "not ok - <behaviour>: <reason>" per behaviour; exits 1 when one failed.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const amqp = require('amqplib');

const uris = process.argv.slice(2);
const name = 'conformance.node.' + crypto.randomBytes(6).toString('hex');
const deadlineMs = 20000;
const persistent = { persistent: true };

// Runs `work` with a confirm channel on a connection of its own; `node` counts from 1 and wraps.
async function withChannel(node, work) {
  const connection = await amqp.connect(uris[(node - 1) % uris.length]);
  connection.on('error', () => {});
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    const result = await work(channel, connection);
    await closed(channel); // flushes what the channel has not sent yet, such as acks
    return result;
  } finally {
    await connection.close().catch(() => {});
  }
}

// Closes a channel that may be closed already.
async function closed(channel) {
  try {
    await channel.close();
  } catch (error) {
    if (error.name !== 'IllegalOperationError') throw error;
  }
}

// Runs `work` with a channel and a durable queue, which is deleted at the end.
async function withQueue(suffix, work, options = {}) {
  const queue = `${name}.${suffix}`;
  return withChannel(options.node ?? 1, async (channel, connection) => {
    await channel.assertQueue(queue, { durable: true, arguments: options.arguments });
    try {
      return await work(channel, queue, connection);
    } finally {
      await withChannel(1, (other) => other.deleteQueue(queue));
    }
  });
}

async function withExchange(channel, kind, work) {
  const exchange = `${name}.${kind}`;
  await channel.assertExchange(exchange, kind, { durable: true });
  try {
    return await work(exchange);
  } finally {
    await withChannel(1, (other) => other.deleteExchange(exchange));
  }
}

// Publishes and waits for the confirm.
function publish(channel, exchange, key, body, options = persistent) {
  return new Promise((resolve, reject) => {
    channel.publish(exchange, key, Buffer.from(body), options, (error) => (error ? reject(error) : resolve()));
  });
}

async function waitFor(condition, what) {
  const until = Date.now() + deadlineMs;
  while (!(await condition())) {
    assert.ok(Date.now() < until, `did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Gets one message, waiting for it.
async function fetch(channel, queue, options = { noAck: true }) {
  let message = false;
  await waitFor(async () => (message = await channel.get(queue, options)) !== false, `a message in ${queue}`);
  return message;
}

const behaviours = {
  'a queue declared on one node is seen on every node': () =>
    withQueue('seen', async (_channel, queue) => {
      for (let node = 1; node <= uris.length; node++) {
        await withChannel(node, async (channel) => assert.equal((await channel.checkQueue(queue)).queue, queue));
      }
    }, { arguments: { 'x-queue-type': 'quorum' } }),

  'a direct exchange routes by equal key': () =>
    withQueue('direct', (channel, queue) => withExchange(channel, 'direct', async (exchange) => {
      await channel.bindQueue(queue, exchange, 'red');
      await publish(channel, exchange, 'blue', 'no');
      await publish(channel, exchange, 'red', 'yes');
      const message = await fetch(channel, queue);
      assert.equal(message.content.toString(), 'yes');
      assert.equal(message.fields.routingKey, 'red');
      assert.equal(message.fields.exchange, exchange);
      assert.equal(message.fields.messageCount, 0);
      await channel.unbindQueue(queue, exchange, 'red');
      await publish(channel, exchange, 'red', 'unbound');
      assert.equal(await channel.get(queue), false);
    })),

  'a topic exchange routes by pattern': () =>
    withQueue('topic', (channel, queue) => withExchange(channel, 'topic', async (exchange) => {
      await channel.bindQueue(queue, exchange, 'stock.*.eur');
      await channel.bindQueue(queue, exchange, 'log.#');
      for (const key of ['stock.abc.eur', 'stock.abc.usd', 'stock.eur', 'log', 'log.a.b', 'catalog.a']) {
        await publish(channel, exchange, key, '');
      }
      const keys = [];
      for (let n = 0; n < 3; n++) keys.push((await fetch(channel, queue)).fields.routingKey);
      assert.deepEqual(keys, ['stock.abc.eur', 'log', 'log.a.b']);
      assert.equal(await channel.get(queue), false);
    })),

  'every publish is confirmed': () =>
    withQueue('confirms', async (channel, queue) => {
      for (let n = 0; n < 1000; n++) channel.sendToQueue(queue, Buffer.from(String(n)), persistent);
      await channel.waitForConfirms();
      assert.equal((await channel.checkQueue(queue)).messageCount, 1000);
    }),

  'prefetch limits what is unacknowledged, acks let more come, in order': () =>
    withQueue('prefetch', async (channel, queue) => {
      for (let n = 0; n < 30; n++) await publish(channel, '', queue, String(n));
      const got = [];
      await channel.prefetch(10);
      await channel.consume(queue, (message) => got.push(message));
      await waitFor(() => got.length >= 10, 'ten deliveries');
      await channel.checkQueue(queue);
      assert.equal(got.length, 10);
      while (got.length < 30) {
        const before = got.length;
        channel.ack(got[before - 1], true);
        await waitFor(() => got.length >= before + 10, 'further deliveries');
      }
      assert.deepEqual(got.map((message) => Number(message.content)), [...Array(30).keys()]);
      assert.equal(got.some((message) => message.fields.redelivered), false);
      channel.ack(got[29], true);
    }),

  'a nacked message comes again with the redelivered flag': () =>
    withQueue('nack', async (channel, queue) => {
      await publish(channel, '', queue, 'again');
      const first = await fetch(channel, queue, {});
      assert.equal(first.fields.redelivered, false);
      channel.nack(first, false, true);
      const second = await fetch(channel, queue, {});
      assert.equal(second.fields.redelivered, true);
      assert.equal(second.content.toString(), 'again');
      channel.ack(second);
    }),

  'a rejected message without requeue is gone': () =>
    withQueue('reject', async (channel, queue) => {
      await publish(channel, '', queue, 'bad');
      await publish(channel, '', queue, 'good');
      channel.reject(await fetch(channel, queue, {}), false);
      assert.equal((await fetch(channel, queue)).content.toString(), 'good');
      assert.equal(await channel.get(queue), false);
    }),

  'get returns messages one by one, then empty': () =>
    withQueue('get', async (channel, queue) => {
      for (const body of ['1', '2', '3']) await publish(channel, '', queue, body);
      const got = [];
      for (let n = 0; n < 3; n++) got.push(await fetch(channel, queue));
      assert.deepEqual(got.map((m) => [m.fields.messageCount, m.content.toString()]), [[2, '1'], [1, '2'], [0, '3']]);
      assert.equal(await channel.get(queue), false);
    }),

  'an unroutable mandatory message is returned with 312 NO_ROUTE': () =>
    withChannel(1, async (channel) => {
      const returned = [];
      channel.on('return', (message) => returned.push(message));
      await publish(channel, 'amq.direct', name + '.nowhere', 'back', { persistent: true, mandatory: true });
      assert.equal(returned.length, 1, 'the return comes before the confirm');
      assert.equal(returned[0].fields.replyCode, 312);
      assert.equal(returned[0].fields.replyText, 'NO_ROUTE');
      assert.equal(returned[0].content.toString(), 'back');
      await publish(channel, 'amq.direct', name + '.nowhere', 'dropped');
      assert.equal(returned.length, 1);
    }),

  'purge and delete tell how many messages went': () =>
    withQueue('purge', async (channel, queue) => {
      for (let n = 0; n < 5; n++) await publish(channel, '', queue, 'x');
      assert.equal((await channel.purgeQueue(queue)).messageCount, 5);
      await publish(channel, '', queue, 'x');
      assert.equal((await channel.deleteQueue(queue)).messageCount, 1);
      assert.equal((await channel.deleteQueue(queue)).messageCount, 0);
    }),

  'a message published on one node is consumed on another': () =>
    withQueue('across', (_third, queue) =>
      withChannel(1, (first) => withChannel(2, async (second) => {
        const got = [];
        await second.consume(queue, (message) => got.push(message));
        for (let n = 0; n < 50; n++) first.sendToQueue(queue, Buffer.from(String(n)), persistent);
        await first.waitForConfirms();
        await waitFor(() => got.length === 50, '50 deliveries');
        assert.deepEqual(got.map((message) => Number(message.content)), [...Array(50).keys()]);
        second.ackAll();
      })).then(() => withChannel(3, async (third) => assert.equal((await third.checkQueue(queue)).messageCount, 0))),
    { node: 3 }),

  'properties and headers arrive as sent': () =>
    withQueue('properties', async (channel, queue) => {
      const headers = { text: 'grün', number: -5, big: 2 ** 40, float: 1.5, flag: true, list: [1, 'two'], table: { a: null } };
      const sent = {
        contentType: 'text/plain', contentEncoding: 'utf-8', headers, deliveryMode: 2, priority: 3, correlationId: 'c-1',
        replyTo: 'r', messageId: 'm-1', timestamp: 1700000000, type: 't', userId: 'guest', appId: 'a',
      };
      await publish(channel, '', queue, 'body', sent);
      const { properties } = await fetch(channel, queue);
      for (const key of Object.keys(sent)) assert.deepEqual(properties[key], sent[key], key);
    }),

  'bodies of no byte and of a mebibyte arrive whole': () =>
    withQueue('sizes', async (channel, queue) => {
      for (const body of [Buffer.alloc(0), crypto.randomBytes(1 << 20)]) {
        await publish(channel, '', queue, body);
        assert.ok((await fetch(channel, queue)).content.equals(body), `${body.length} bytes are the same`);
      }
    }),

  'a missing queue closes the channel with 404, and nothing else': () =>
    withChannel(1, async (channel, connection) => {
      await assert.rejects(channel.checkQueue(name + '.missing'), (error) => {
        assert.equal(error.code, 404);
        assert.match(error.message, new RegExp(`NOT_FOUND - no queue '${name}\\.missing' in vhost '/'`));
        return true;
      });
      await (await connection.createChannel()).checkExchange('amq.topic');
    }),

  'what a closed connection held comes again with the redelivered flag': () =>
    withQueue('closed', async (channel, queue) => {
      await publish(channel, '', queue, 'held');
      await withChannel(2, (holder) => fetch(holder, queue, {}));
      const message = await fetch(channel, queue);
      assert.equal(message.fields.redelivered, true);
      assert.equal(message.content.toString(), 'held');
    }),

  'a server-named exclusive queue works, is locked to others, and goes with its connection': async () => {
    const code = (queue) => withChannel(2, (other) => other.checkQueue(queue).then(() => 0, (error) => error.code));
    const queue = await withChannel(1, async (channel) => {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      assert.match(queue, /^amq\.gen-/);
      await publish(channel, '', queue, 'mine');
      assert.equal((await fetch(channel, queue)).content.toString(), 'mine');
      assert.equal(await code(queue), 405);
      return queue;
    });
    await waitFor(async () => (await code(queue)) === 404, 'the queue goes');
  },

  'cancel stops deliveries, and keeps the rest in the queue': () =>
    withQueue('cancel', async (channel, queue) => {
      const got = [];
      const { consumerTag } = await channel.consume(queue, (message) => got.push(message), { noAck: true });
      await publish(channel, '', queue, 'before');
      await waitFor(() => got.length === 1, 'a delivery');
      await channel.cancel(consumerTag);
      await publish(channel, '', queue, 'after');
      assert.equal((await fetch(channel, queue)).content.toString(), 'after');
      assert.equal(got.length, 1);
    }),

  'a consumer is told when its queue is deleted': () =>
    withQueue('notified', async (channel, queue) => {
      const got = [];
      await channel.consume(queue, (message) => got.push(message));
      await withChannel(2, (other) => other.deleteQueue(queue));
      await waitFor(() => got.length === 1, 'basic.cancel');
      assert.equal(got[0], null);
    }),
};

async function main() {
  let failed = 0;
  for (const [text, test] of Object.entries(behaviours)) {
    try {
      await test();
      console.log(`ok - ${text}`);
    } catch (error) {
      failed += 1;
      console.log(`not ok - ${text}: ${error.message.split('\n')[0]}`);
      console.error(error);
    }
  }
  process.exit(failed === 0 ? 0 : 1);
}

main();
