// Program conformance does what an application does with amqp091-go, against the nodes whose URIs are given.
//
// usage: conformance URI [URI ...]     (one node given three times will do)
//
// It prints "ok - <behaviour>" or "not ok - <behaviour>: <reason>" per behaviour, and exits 1 when one failed.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const deadline = 20 * time.Second

var (
	uris = os.Args[1:]
	name = "conformance.go." + randomHex()
)

type behaviour struct {
	text string
	test func()
}

// failure is what check panics with; run turns it into a "not ok" line.
type failure struct{ reason string }

func randomHex() string {
	b := make([]byte, 6)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	return hex.EncodeToString(b)
}

func check(err error, what string) {
	if err != nil {
		panic(failure{what + ": " + err.Error()})
	}
}

func equal(actual, expected any, what string) {
	if !reflect.DeepEqual(actual, expected) {
		panic(failure{fmt.Sprintf("%s: expected %v, got %v", what, expected, actual)})
	}
}

func waitFor(condition func() bool, what string) {
	for until := time.Now().Add(deadline); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			panic(failure{"did not happen: " + what})
		}
	}
}

// withChannel runs work with a confirm channel on a connection of its own; node counts from 1 and wraps.
func withChannel(node int, work func(*amqp.Channel, *amqp.Connection)) {
	connection, err := amqp.Dial(uris[(node-1)%len(uris)])
	check(err, "dial")
	defer connection.Close()
	channel, err := connection.Channel()
	check(err, "channel")
	check(channel.Confirm(false), "confirm.select")
	work(channel, connection)
}

// withQueue runs work with a channel and a durable queue, which is deleted at the end.
func withQueue(suffix string, work func(*amqp.Channel, string)) {
	withQueueOn(1, suffix, nil, work)
}

func withQueueOn(node int, suffix string, arguments amqp.Table, work func(*amqp.Channel, string)) {
	queue := name + "." + suffix
	withChannel(node, func(channel *amqp.Channel, _ *amqp.Connection) {
		_, err := channel.QueueDeclare(queue, true, false, false, false, arguments)
		check(err, "declare")
		defer withChannel(1, func(other *amqp.Channel, _ *amqp.Connection) {
			_, err := other.QueueDelete(queue, false, false, false)
			check(err, "delete")
		})
		work(channel, queue)
	})
}

func withExchange(channel *amqp.Channel, kind string, work func(string)) {
	exchange := name + "." + kind
	check(channel.ExchangeDeclare(exchange, kind, true, false, false, false, nil), "exchange.declare")
	defer withChannel(1, func(other *amqp.Channel, _ *amqp.Connection) {
		check(other.ExchangeDelete(exchange, false, false), "exchange.delete")
	})
	work(exchange)
}

func message(body []byte) amqp.Publishing {
	return amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body}
}

func start(channel *amqp.Channel, exchange, key string, mandatory bool, m amqp.Publishing) *amqp.DeferredConfirmation {
	confirmation, err := channel.PublishWithDeferredConfirmWithContext(context.Background(), exchange, key, mandatory, false, m)
	check(err, "publish")
	return confirmation
}

func confirmed(confirmation *amqp.DeferredConfirmation) {
	bounded, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	ack, err := confirmation.WaitContext(bounded)
	check(err, "confirm")
	equal(ack, true, "confirm is an ack")
}

// publish publishes and waits for the confirm.
func publish(channel *amqp.Channel, exchange, key, body string) {
	confirmed(start(channel, exchange, key, false, message([]byte(body))))
}

// fetch gets one message, waiting for it.
func fetch(channel *amqp.Channel, queue string, autoAck bool) (d amqp.Delivery) {
	waitFor(func() (there bool) {
		var err error
		d, there, err = channel.Get(queue, autoAck)
		check(err, "get")
		return there
	}, "a message in "+queue)
	return d
}

func empty(channel *amqp.Channel, queue string) {
	_, there, err := channel.Get(queue, true)
	check(err, "get")
	equal(there, false, "a further message")
}

func consume(channel *amqp.Channel, queue string, autoAck bool) <-chan amqp.Delivery {
	deliveries, err := channel.Consume(queue, "", autoAck, false, false, false, nil)
	check(err, "consume")
	return deliveries
}

func next(deliveries <-chan amqp.Delivery) amqp.Delivery {
	select {
	case d, open := <-deliveries:
		equal(open, true, "deliveries are open")
		return d
	case <-time.After(deadline):
		panic(failure{"no delivery"})
	}
}

func passive(channel *amqp.Channel, queue string) amqp.Queue {
	declared, err := channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	check(err, "passive declare")
	return declared
}

// code is the reply code of a passive declare on another connection, 0 when it is answered.
func code(queue string) (code int) {
	withChannel(2, func(other *amqp.Channel, _ *amqp.Connection) {
		_, err := other.QueueDeclarePassive(queue, true, false, false, false, nil)
		var refused *amqp.Error
		if errors.As(err, &refused) {
			code = refused.Code
		}
	})
	return code
}

var behaviours = []behaviour{
	{"a queue declared on one node is seen on every node", func() {
		withQueueOn(1, "seen", amqp.Table{"x-queue-type": "quorum"}, func(_ *amqp.Channel, queue string) {
			for node := range uris {
				withChannel(node+1, func(channel *amqp.Channel, _ *amqp.Connection) {
					equal(passive(channel, queue).Name, queue, "name in declare-ok")
				})
			}
		})
	}},
	{"a direct exchange routes by equal key", func() {
		withQueue("direct", func(channel *amqp.Channel, queue string) {
			withExchange(channel, "direct", func(exchange string) {
				check(channel.QueueBind(queue, "red", exchange, false, nil), "bind")
				publish(channel, exchange, "blue", "no")
				publish(channel, exchange, "red", "yes")
				d := fetch(channel, queue, true)
				equal([]any{string(d.Body), d.RoutingKey, d.Exchange, d.MessageCount}, []any{"yes", "red", exchange, uint32(0)}, "message")
				check(channel.QueueUnbind(queue, "red", exchange, nil), "unbind")
				publish(channel, exchange, "red", "unbound")
				empty(channel, queue)
			})
		})
	}},
	{"a topic exchange routes by pattern", func() {
		withQueue("topic", func(channel *amqp.Channel, queue string) {
			withExchange(channel, "topic", func(exchange string) {
				check(channel.QueueBind(queue, "stock.*.eur", exchange, false, nil), "bind")
				check(channel.QueueBind(queue, "log.#", exchange, false, nil), "bind")
				for _, key := range []string{"stock.abc.eur", "stock.abc.usd", "stock.eur", "log", "log.a.b", "catalog.a"} {
					publish(channel, exchange, key, "")
				}
				for _, key := range []string{"stock.abc.eur", "log", "log.a.b"} {
					equal(fetch(channel, queue, true).RoutingKey, key, "routed key")
				}
				empty(channel, queue)
			})
		})
	}},
	{"every publish is confirmed", func() {
		withQueue("confirms", func(channel *amqp.Channel, queue string) {
			var pending []*amqp.DeferredConfirmation
			for n := 0; n < 1000; n++ {
				pending = append(pending, start(channel, "", queue, false, message([]byte(strconv.Itoa(n)))))
			}
			for _, confirmation := range pending {
				confirmed(confirmation)
			}
			equal(passive(channel, queue).Messages, 1000, "messages")
		})
	}},
	{"prefetch limits what is unacknowledged, acks let more come, in order", func() {
		withQueue("prefetch", func(channel *amqp.Channel, queue string) {
			for n := 0; n < 30; n++ {
				publish(channel, "", queue, strconv.Itoa(n))
			}
			check(channel.Qos(10, 0, false), "qos")
			deliveries := consume(channel, queue, false)
			for n := 0; n < 30; n++ {
				d := next(deliveries)
				equal([]any{string(d.Body), d.Redelivered}, []any{strconv.Itoa(n), false}, "delivery")
				if n%10 != 9 {
					continue
				}
				select {
				case <-deliveries:
					panic(failure{"a delivery beyond the prefetch, or one too many"})
				case <-time.After(200 * time.Millisecond):
				}
				check(d.Ack(true), "ack")
			}
		})
	}},
	{"a nacked message comes again with the redelivered flag", func() {
		withQueue("nack", func(channel *amqp.Channel, queue string) {
			publish(channel, "", queue, "again")
			d := fetch(channel, queue, false)
			equal(d.Redelivered, false, "flag of the first delivery")
			check(d.Nack(false, true), "nack")
			d = fetch(channel, queue, false)
			equal([]any{d.Redelivered, string(d.Body)}, []any{true, "again"}, "second delivery")
			check(d.Ack(false), "ack")
		})
	}},
	{"a rejected message without requeue is gone", func() {
		withQueue("reject", func(channel *amqp.Channel, queue string) {
			publish(channel, "", queue, "bad")
			publish(channel, "", queue, "good")
			check(fetch(channel, queue, false).Reject(false), "reject")
			equal(string(fetch(channel, queue, true).Body), "good", "next message")
			empty(channel, queue)
		})
	}},
	{"get returns messages one by one, then empty", func() {
		withQueue("get", func(channel *amqp.Channel, queue string) {
			for n := 0; n < 3; n++ {
				publish(channel, "", queue, strconv.Itoa(n))
			}
			for n := 0; n < 3; n++ {
				d := fetch(channel, queue, true)
				equal([]any{string(d.Body), d.MessageCount}, []any{strconv.Itoa(n), uint32(2 - n)}, "message")
			}
			empty(channel, queue)
		})
	}},
	{"an unroutable mandatory message is returned with 312 NO_ROUTE", func() {
		withChannel(1, func(channel *amqp.Channel, _ *amqp.Connection) {
			returns := channel.NotifyReturn(make(chan amqp.Return, 2))
			confirmed(start(channel, "amq.direct", name+".nowhere", true, message([]byte("back"))))
			select {
			case r := <-returns:
				equal([]any{r.ReplyCode, r.ReplyText, string(r.Body)}, []any{uint16(312), "NO_ROUTE", "back"}, "return")
			default:
				panic(failure{"the return did not come before the confirm"})
			}
			confirmed(start(channel, "amq.direct", name+".nowhere", false, message([]byte("dropped"))))
			equal(len(returns), 0, "further returns")
		})
	}},
	{"purge and delete tell how many messages went", func() {
		withQueue("purge", func(channel *amqp.Channel, queue string) {
			for n := 0; n < 5; n++ {
				publish(channel, "", queue, "x")
			}
			purged, err := channel.QueuePurge(queue, false)
			check(err, "purge")
			equal(purged, 5, "purged")
			publish(channel, "", queue, "x")
			for _, expected := range []int{1, 0} {
				deleted, err := channel.QueueDelete(queue, false, false, false)
				check(err, "delete")
				equal(deleted, expected, "deleted")
			}
		})
	}},
	{"a message published on one node is consumed on another", func() {
		withQueueOn(3, "across", nil, func(third *amqp.Channel, queue string) {
			withChannel(2, func(second *amqp.Channel, _ *amqp.Connection) {
				deliveries := consume(second, queue, false)
				withChannel(1, func(first *amqp.Channel, _ *amqp.Connection) {
					for n := 0; n < 50; n++ {
						start(first, "", queue, false, message([]byte(strconv.Itoa(n))))
					}
					for n := 0; n < 50; n++ {
						d := next(deliveries)
						equal(string(d.Body), strconv.Itoa(n), "order")
						check(d.Ack(false), "ack")
					}
				})
			})
			equal(passive(third, queue).Messages, 0, "messages left")
		})
	}},
	{"properties and headers arrive as sent", func() {
		withQueue("properties", func(channel *amqp.Channel, queue string) {
			headers := amqp.Table{
				"text": "grün", "number": int32(-5), "big": int64(1) << 40, "float": 1.5, "flag": true,
				"list": []any{int32(1), "two"}, "table": amqp.Table{"a": nil}, "bytes": []byte{0, 255},
			}
			sent := amqp.Publishing{
				Headers: headers, ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: 2, Priority: 3,
				CorrelationId: "c-1", ReplyTo: "r", MessageId: "m-1", Timestamp: time.Unix(1700000000, 0), Type: "t",
				UserId: "guest", AppId: "a",
			}
			confirmed(start(channel, "", queue, false, sent))
			d := fetch(channel, queue, true)
			equal(d.Headers, headers, "headers")
			equal([]any{d.ContentType, d.ContentEncoding, d.DeliveryMode, d.Priority, d.CorrelationId, d.ReplyTo},
				[]any{"text/plain", "utf-8", uint8(2), uint8(3), "c-1", "r"}, "properties")
			equal([]any{d.MessageId, d.Timestamp.Unix(), d.Type, d.UserId, d.AppId},
				[]any{"m-1", int64(1700000000), "t", "guest", "a"}, "properties")
		})
	}},
	{"bodies of no byte and of a mebibyte arrive whole", func() {
		withQueue("sizes", func(channel *amqp.Channel, queue string) {
			for _, body := range [][]byte{{}, bytes.Repeat([]byte("0123456789abcdef"), 1<<16)} {
				confirmed(start(channel, "", queue, false, message(body)))
				equal(bytes.Equal(fetch(channel, queue, true).Body, body), true, "bytes are the same")
			}
		})
	}},
	{"a missing queue closes the channel with 404, and nothing else", func() {
		withChannel(1, func(channel *amqp.Channel, connection *amqp.Connection) {
			_, err := channel.QueueDeclarePassive(name+".missing", true, false, false, false, nil)
			var refused *amqp.Error
			equal(errors.As(err, &refused), true, "it is refused")
			equal([]any{refused.Code, refused.Reason}, []any{404, "NOT_FOUND - no queue '" + name + ".missing' in vhost '/'"}, "reply")
			second, err := connection.Channel()
			check(err, "second channel")
			check(second.ExchangeDeclarePassive("amq.topic", "topic", true, false, false, false, nil), "passive declare")
		})
	}},
	{"what a closed connection held comes again with the redelivered flag", func() {
		withQueue("closed", func(channel *amqp.Channel, queue string) {
			publish(channel, "", queue, "held")
			withChannel(2, func(holder *amqp.Channel, _ *amqp.Connection) { fetch(holder, queue, false) })
			d := fetch(channel, queue, true)
			equal([]any{d.Redelivered, string(d.Body)}, []any{true, "held"}, "second delivery")
		})
	}},
	{"a server-named exclusive queue works, is locked to others, and goes with its connection", func() {
		var queue string
		withChannel(1, func(channel *amqp.Channel, _ *amqp.Connection) {
			declared, err := channel.QueueDeclare("", false, false, true, false, nil)
			check(err, "declare")
			queue = declared.Name
			equal(strings.HasPrefix(queue, "amq.gen-"), true, "prefix of "+queue)
			publish(channel, "", queue, "mine")
			equal(string(fetch(channel, queue, true).Body), "mine", "message")
			equal(code(queue), 405, "reply code for another connection")
		})
		waitFor(func() bool { return code(queue) == 404 }, "the queue goes")
	}},
	{"cancel stops deliveries, and keeps the rest in the queue", func() {
		withQueue("cancel", func(channel *amqp.Channel, queue string) {
			deliveries, err := channel.Consume(queue, "tag", true, false, false, false, nil)
			check(err, "consume")
			publish(channel, "", queue, "before")
			equal(string(next(deliveries).Body), "before", "delivery")
			check(channel.Cancel("tag", false), "cancel")
			publish(channel, "", queue, "after")
			equal(string(fetch(channel, queue, true).Body), "after", "message left")
		})
	}},
	{"a consumer is told when its queue is deleted", func() {
		withQueue("notified", func(channel *amqp.Channel, queue string) {
			cancelled := channel.NotifyCancel(make(chan string, 1))
			_, err := channel.Consume(queue, "tag", false, false, false, false, nil)
			check(err, "consume")
			withChannel(2, func(other *amqp.Channel, _ *amqp.Connection) {
				_, err := other.QueueDelete(queue, false, false, false)
				check(err, "delete")
			})
			select {
			case tag := <-cancelled:
				equal(tag, "tag", "consumer tag")
			case <-time.After(deadline):
				panic(failure{"no basic.cancel"})
			}
		})
	}},
}

func run(b behaviour) (passed bool) {
	defer func() {
		if reason := recover(); reason != nil {
			if f, ours := reason.(failure); ours {
				reason = f.reason
			}
			fmt.Printf("not ok - %s: %v\n", b.text, reason)
		}
	}()
	b.test()
	fmt.Printf("ok - %s\n", b.text)
	return true
}

func main() {
	failed := false
	for _, b := range behaviours {
		failed = !run(b) || failed
	}
	if failed {
		os.Exit(1)
	}
}
