import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Return;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * What an application does with the RabbitMQ Java client, against the nodes whose URIs are given (one node given three times
 * will do).
 *
 * <p>Prints "ok - behaviour" or "not ok - behaviour: reason" per behaviour; exits 1 when one failed.
 */
public final class Conformance {
    private static final long DEADLINE_MS = 20_000;
    private static final BasicProperties PERSISTENT = MessageProperties.MINIMAL_PERSISTENT_BASIC;

    private final String[] uris;
    private final String name = "conformance.java." + UUID.randomUUID().toString().substring(0, 12);
    private final Map<String, Test> behaviours = new LinkedHashMap<>();

    private interface Test {
        void run() throws Exception;
    }

    private interface OnChannel {
        void run(Channel channel) throws Exception;
    }

    private interface OnQueue {
        void run(Channel channel, String queue) throws Exception;
    }

    private interface OnExchange {
        void run(String exchange) throws Exception;
    }

    private Conformance(String[] uris) {
        this.uris = uris;
        declareAndRoute();
        publishAndFetch();
        consume();
        endings();
    }

    private void declareAndRoute() {
        behaviours.put("a queue declared on one node is seen on every node", () ->
            withQueue(1, "seen", Map.of("x-queue-type", "quorum"), (first, queue) -> {
                for (int node = 1; node <= uris.length; node++) {
                    withChannel(node, channel -> equal(channel.queueDeclarePassive(queue).getQueue(), queue, "name in declare-ok"));
                }
            }));
        behaviours.put("a direct exchange routes by equal key", () ->
            withQueue("direct", (channel, queue) -> withExchange(channel, "direct", exchange -> {
                channel.queueBind(queue, exchange, "red");
                publish(channel, exchange, "blue", "no");
                publish(channel, exchange, "red", "yes");
                GetResponse got = fetch(channel, queue, true);
                equal(text(got.getBody()), "yes", "body");
                equal(got.getEnvelope().getRoutingKey(), "red", "routing key");
                equal(got.getEnvelope().getExchange(), exchange, "exchange");
                equal(got.getMessageCount(), 0, "messages left");
                channel.queueUnbind(queue, exchange, "red");
                publish(channel, exchange, "red", "unbound");
                equal(channel.basicGet(queue, true), null, "message after unbind");
            })));
        behaviours.put("a topic exchange routes by pattern", () ->
            withQueue("topic", (channel, queue) -> withExchange(channel, "topic", exchange -> {
                channel.queueBind(queue, exchange, "stock.*.eur");
                channel.queueBind(queue, exchange, "log.#");
                for (String key : List.of("stock.abc.eur", "stock.abc.usd", "stock.eur", "log", "log.a.b", "catalog.a")) {
                    publish(channel, exchange, key, "");
                }
                for (String key : List.of("stock.abc.eur", "log", "log.a.b")) {
                    equal(fetch(channel, queue, true).getEnvelope().getRoutingKey(), key, "routed key");
                }
                equal(channel.basicGet(queue, true), null, "further message");
            })));
    }

    private void publishAndFetch() {
        behaviours.put("every publish is confirmed", () ->
            withQueue("confirms", (channel, queue) -> {
                for (int n = 0; n < 1000; n++) {
                    channel.basicPublish("", queue, PERSISTENT, bytes(String.valueOf(n)));
                }
                channel.waitForConfirmsOrDie(DEADLINE_MS);
                equal(channel.messageCount(queue), 1000L, "messages");
            }));
        behaviours.put("a nacked message comes again with the redelivered flag", () ->
            withQueue("nack", (channel, queue) -> {
                publish(channel, "", queue, "again");
                GetResponse first = fetch(channel, queue, false);
                equal(first.getEnvelope().isRedeliver(), false, "flag of the first delivery");
                channel.basicNack(first.getEnvelope().getDeliveryTag(), false, true);
                GetResponse second = fetch(channel, queue, false);
                equal(second.getEnvelope().isRedeliver(), true, "flag of the second delivery");
                equal(text(second.getBody()), "again", "body");
                channel.basicAck(second.getEnvelope().getDeliveryTag(), false);
            }));
        behaviours.put("a rejected message without requeue is gone", () ->
            withQueue("reject", (channel, queue) -> {
                publish(channel, "", queue, "bad");
                publish(channel, "", queue, "good");
                channel.basicReject(fetch(channel, queue, false).getEnvelope().getDeliveryTag(), false);
                equal(text(fetch(channel, queue, true).getBody()), "good", "next message");
                equal(channel.basicGet(queue, true), null, "further message");
            }));
        behaviours.put("get returns messages one by one, then empty", () ->
            withQueue("get", (channel, queue) -> {
                for (int n = 0; n < 3; n++) {
                    publish(channel, "", queue, String.valueOf(n));
                }
                for (int n = 0; n < 3; n++) {
                    GetResponse got = fetch(channel, queue, true);
                    equal(text(got.getBody()), String.valueOf(n), "body");
                    equal(got.getMessageCount(), 2 - n, "messages left");
                }
                equal(channel.basicGet(queue, true), null, "get-empty");
            }));
        behaviours.put("an unroutable mandatory message is returned with 312 NO_ROUTE", () ->
            withChannel(1, channel -> {
                BlockingQueue<Return> returns = new LinkedBlockingQueue<>();
                channel.addReturnListener(returns::add);
                channel.basicPublish("amq.direct", name + ".nowhere", true, PERSISTENT, bytes("back"));
                channel.waitForConfirmsOrDie(DEADLINE_MS);
                equal(returns.size(), 1, "returns that came before the confirm");
                Return returned = returns.take();
                equal(returned.getReplyCode(), 312, "reply code");
                equal(returned.getReplyText(), "NO_ROUTE", "reply text");
                equal(text(returned.getBody()), "back", "body");
                publish(channel, "amq.direct", name + ".nowhere", "dropped");
                equal(returns.size(), 0, "further returns");
            }));
        behaviours.put("purge and delete tell how many messages went", () ->
            withQueue("purge", (channel, queue) -> {
                for (int n = 0; n < 5; n++) {
                    publish(channel, "", queue, "x");
                }
                equal(channel.queuePurge(queue).getMessageCount(), 5, "purged");
                publish(channel, "", queue, "x");
                equal(channel.queueDelete(queue).getMessageCount(), 1, "deleted");
                equal(channel.queueDelete(queue).getMessageCount(), 0, "deleted when it was gone");
            }));
        behaviours.put("properties and headers arrive as sent", () -> withQueue("properties", this::properties));
        behaviours.put("bodies of no byte and of a mebibyte arrive whole", () ->
            withQueue("sizes", (channel, queue) -> {
                byte[] big = new byte[1 << 20];
                for (int n = 0; n < big.length; n++) {
                    big[n] = (byte) (n * 31);
                }
                for (byte[] body : List.of(new byte[0], big)) {
                    channel.basicPublish("", queue, PERSISTENT, body);
                    channel.waitForConfirmsOrDie(DEADLINE_MS);
                    equal(Arrays.equals(fetch(channel, queue, true).getBody(), body), true, "bytes are the same");
                }
            }));
    }

    private void properties(Channel channel, String queue) throws Exception {
        Map<String, Object> headers = new HashMap<>();
        headers.put("number", -5);
        headers.put("big", 1L << 40);
        headers.put("float", 1.5);
        headers.put("flag", true);
        headers.put("list", List.of(1, 2L));
        headers.put("table", new HashMap<>(Map.of("a", 1)));
        BasicProperties sent = new BasicProperties.Builder()
            .contentType("text/plain").contentEncoding("utf-8").headers(headers).deliveryMode(2).priority(3)
            .correlationId("c-1").replyTo("r").messageId("m-1").timestamp(new Date(1_700_000_000_000L)).type("t")
            .userId("guest").appId("a").build();
        channel.basicPublish("", queue, sent, bytes("body"));
        equal(fetch(channel, queue, true).getProps(), sent, "properties");
    }

    private void consume() {
        behaviours.put("prefetch limits what is unacknowledged, acks let more come, in order", () ->
            withQueue("prefetch", (channel, queue) -> {
                for (int n = 0; n < 30; n++) {
                    publish(channel, "", queue, String.valueOf(n));
                }
                channel.basicQos(10);
                BlockingQueue<Delivery> deliveries = consumer(channel, queue, false);
                for (int n = 0; n < 30; n++) {
                    Delivery delivery = next(deliveries);
                    equal(text(delivery.getBody()), String.valueOf(n), "order");
                    equal(delivery.getEnvelope().isRedeliver(), false, "redelivered flag");
                    if (n % 10 == 9) {
                        equal(deliveries.poll(200, TimeUnit.MILLISECONDS), null, "delivery beyond the prefetch");
                        channel.basicAck(delivery.getEnvelope().getDeliveryTag(), true);
                    }
                }
            }));
        behaviours.put("a message published on one node is consumed on another", () ->
            withQueue(3, "across", null, (third, queue) -> {
                withChannel(2, second -> {
                    BlockingQueue<Delivery> deliveries = consumer(second, queue, false);
                    withChannel(1, first -> {
                        for (int n = 0; n < 50; n++) {
                            first.basicPublish("", queue, PERSISTENT, bytes(String.valueOf(n)));
                        }
                        for (int n = 0; n < 50; n++) {
                            Delivery delivery = next(deliveries);
                            equal(text(delivery.getBody()), String.valueOf(n), "order");
                            second.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
                        }
                    });
                });
                equal(third.messageCount(queue), 0L, "messages left");
            }));
        behaviours.put("cancel stops deliveries, and keeps the rest in the queue", () ->
            withQueue("cancel", (channel, queue) -> {
                BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
                String tag = channel.basicConsume(queue, true, (t, delivery) -> deliveries.add(delivery), t -> { });
                publish(channel, "", queue, "before");
                equal(text(next(deliveries).getBody()), "before", "delivery");
                channel.basicCancel(tag);
                publish(channel, "", queue, "after");
                equal(text(fetch(channel, queue, true).getBody()), "after", "message left");
                equal(deliveries.size(), 0, "further deliveries");
            }));
        behaviours.put("a consumer is told when its queue is deleted", () ->
            withQueue("notified", (channel, queue) -> {
                BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
                String tag = channel.basicConsume(queue, false, (t, delivery) -> { }, cancelled::add);
                withChannel(2, other -> other.queueDelete(queue));
                equal(cancelled.poll(DEADLINE_MS, TimeUnit.MILLISECONDS), tag, "consumer tag of basic.cancel");
            }));
    }

    private void endings() {
        behaviours.put("a missing queue closes the channel with 404, and nothing else", () ->
            withChannel(1, channel -> {
                com.rabbitmq.client.AMQP.Channel.Close close = refusal(channel, name + ".missing");
                equal(close.getReplyCode(), 404, "reply code");
                equal(close.getReplyText(), "NOT_FOUND - no queue '" + name + ".missing' in vhost '/'", "reply text");
                channel.getConnection().createChannel().exchangeDeclarePassive("amq.topic");
            }));
        behaviours.put("what a closed connection held comes again with the redelivered flag", () ->
            withQueue("closed", (channel, queue) -> {
                publish(channel, "", queue, "held");
                withChannel(2, holder -> fetch(holder, queue, false));
                GetResponse got = fetch(channel, queue, true);
                equal(got.getEnvelope().isRedeliver(), true, "redelivered flag");
                equal(text(got.getBody()), "held", "body");
            }));
        behaviours.put("a server-named exclusive queue works, is locked to others, and goes with its connection", () -> {
            String[] queue = new String[1];
            withChannel(1, channel -> {
                queue[0] = channel.queueDeclare("", false, true, false, null).getQueue();
                equal(queue[0].startsWith("amq.gen-"), true, "prefix of " + queue[0]);
                publish(channel, "", queue[0], "mine");
                equal(text(fetch(channel, queue[0], true).getBody()), "mine", "body");
                withChannel(2, other -> equal(refusal(other, queue[0]).getReplyCode(), 405, "reply code"));
            });
            waitFor(() -> {
                int[] code = new int[1];
                withChannel(2, other -> code[0] = refusal(other, queue[0]).getReplyCode());
                return code[0] == 404 ? Boolean.TRUE : null;
            }, "the queue goes");
        });
    }

    /** What the node closes the channel with when a queue is declared passively. */
    private static com.rabbitmq.client.AMQP.Channel.Close refusal(Channel channel, String queue) throws Exception {
        try {
            channel.queueDeclarePassive(queue);
        } catch (IOException refused) {
            ShutdownSignalException signal = (ShutdownSignalException) refused.getCause();
            return (com.rabbitmq.client.AMQP.Channel.Close) signal.getReason();
        }
        throw new AssertionError("passive declare of " + queue + " was answered");
    }

    /** Runs work with a confirm channel on a connection of its own; node counts from 1 and wraps. */
    private void withChannel(int node, OnChannel work) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(uris[(node - 1) % uris.length]);
        factory.setAutomaticRecoveryEnabled(false);
        try (Connection connection = factory.newConnection()) {
            Channel channel = connection.createChannel();
            channel.confirmSelect();
            work.run(channel);
        }
    }

    private void withQueue(String suffix, OnQueue work) throws Exception {
        withQueue(1, suffix, null, work);
    }

    /** Runs work with a channel and a durable queue, which is deleted at the end. */
    private void withQueue(int node, String suffix, Map<String, Object> arguments, OnQueue work) throws Exception {
        String queue = name + "." + suffix;
        withChannel(node, channel -> {
            channel.queueDeclare(queue, true, false, false, arguments);
            try {
                work.run(channel, queue);
            } finally {
                withChannel(1, other -> other.queueDelete(queue));
            }
        });
    }

    private void withExchange(Channel channel, String kind, OnExchange work) throws Exception {
        String exchange = name + "." + kind;
        channel.exchangeDeclare(exchange, kind, true);
        try {
            work.run(exchange);
        } finally {
            withChannel(1, other -> other.exchangeDelete(exchange));
        }
    }

    /** Publishes and waits for the confirm. */
    private static void publish(Channel channel, String exchange, String key, String body) throws Exception {
        channel.basicPublish(exchange, key, PERSISTENT, bytes(body));
        channel.waitForConfirmsOrDie(DEADLINE_MS);
    }

    private static BlockingQueue<Delivery> consumer(Channel channel, String queue, boolean autoAck) throws IOException {
        BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
        channel.basicConsume(queue, autoAck, (tag, delivery) -> deliveries.add(delivery), tag -> { });
        return deliveries;
    }

    private static Delivery next(BlockingQueue<Delivery> deliveries) throws InterruptedException {
        Delivery delivery = deliveries.poll(DEADLINE_MS, TimeUnit.MILLISECONDS);
        if (delivery == null) {
            throw new AssertionError("no delivery");
        }
        return delivery;
    }

    /** Gets one message, waiting for it. */
    private static GetResponse fetch(Channel channel, String queue, boolean autoAck) throws Exception {
        return waitFor(() -> channel.basicGet(queue, autoAck), "a message in " + queue);
    }

    private static <T> T waitFor(Callable<T> attempt, String what) throws Exception {
        long until = System.nanoTime() + DEADLINE_MS * 1_000_000;
        while (System.nanoTime() < until) {
            T result = attempt.call();
            if (result != null) {
                return result;
            }
            Thread.sleep(20);
        }
        throw new AssertionError("did not happen: " + what);
    }

    private static void equal(Object actual, Object expected, String what) {
        if (!Objects.equals(actual, expected)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private boolean run() {
        List<String> failed = new ArrayList<>();
        behaviours.forEach((text, test) -> {
            try {
                test.run();
                System.out.println("ok - " + text);
            } catch (Throwable reason) {
                failed.add(text);
                System.out.println("not ok - " + text + ": " + reason);
                reason.printStackTrace();
            }
        });
        return failed.isEmpty();
    }

    /** The nodes' URIs are the arguments. */
    public static void main(String[] uris) {
        System.exit(new Conformance(uris).run() ? 0 : 1);
    }
}
