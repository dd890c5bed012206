// Command story lets the official Go client write and query, and prints what it saw as JSON.
//
// Arguments: URL, token, database, and optionally the file of an authority's certificate.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/InfluxCommunity/influxdb3-go/v2/influxdb3"
	"github.com/InfluxCommunity/influxdb3-go/v2/influxdb3/batching"
	"github.com/apache/arrow-go/v18/arrow"
)

const (
	start = 1700000000000000001
	rooms = "SELECT * FROM rooms ORDER BY time"
)

var ctx = context.Background()

type object = map[string]any

// Room is what the client writes from a struct.
type Room struct {
	Table string    `lp:"measurement"`
	Room  string    `lp:"tag,room"`
	Temp  float64   `lp:"field,temp"`
	Hum   int64     `lp:"field,hum"`
	Co    uint64    `lp:"field,co"`
	Note  string    `lp:"field,note"`
	Ok    bool      `lp:"field,ok"`
	Time  time.Time `lp:"timestamp"`
}

func main() {
	host, token, database, ca := os.Args[1], os.Args[2], os.Args[3], strings.Join(os.Args[4:], "")
	firstSteps(host, token, database, ca)
	client := connect(host, token, database, ca)
	stranger := connect(host, "wrong", database, ca)
	told := object{
		"version":     must(client.GetServerVersion()),
		"rows":        writes(client),
		"points":      points(client),
		"nanoseconds": rows(client.Query(ctx, "SELECT CAST(time AS BIGINT) AS ns FROM rooms ORDER BY time")),
		"params": rows(client.QueryWithParameters(ctx,
			"SELECT room FROM rooms WHERE room = $room AND temp < $temp AND hum > $hum AND ok = $ok",
			object{"room": "kitchen", "temp": 30.5, "hum": 1, "ok": true})),
		"empty":       rows(client.Query(ctx, "SELECT * FROM rooms WHERE room = 'nix'")),
		"gzipped":     gzipped(client),
		"batched":     batched(client),
		"large":       large(client),
		"precisions":  precisions(client),
		"edges":       edges(client),
		"no_sync":     noSync(client),
		"partial":     refused(client.Write(ctx, []byte("lines v=1 1\nlines v= 2\nlines v=3 3"), influxdb3.WithUseV2Api(false))),
		"conflict":    refused(client.Write(ctx, []byte("lines v=true 4\nlines v=5.5 5"), influxdb3.WithUseV2Api(false))),
		"partial_in":  rows(client.Query(ctx, "SELECT CAST(v AS TEXT) AS v FROM lines ORDER BY time")),
		"strict":      refused(client.Write(ctx, []byte("strict v=1 1\nstrict v= 2"), influxdb3.WithUseV2Api(false), influxdb3.WithAcceptPartial(false))),
		"v2":          refused(client.Write(ctx, []byte("strict v=1 1\nstrict v= 2"))),
		"no_table":    failure(client.Query(ctx, "SELECT * FROM strict")),
		"no_database": failure(client.Query(ctx, "SELECT 1", influxdb3.WithDatabase("nix"))),
		"no_sense":    failure(client.Query(ctx, "SELEC 1")),
		"stranger": object{
			"write": refused(stranger.Write(ctx, []byte("strange v=1 1"))),
			"query": failure(stranger.Query(ctx, "SELECT 1")),
		},
	}
	check(json.NewEncoder(os.Stdout).Encode(told))
}

func firstSteps(host, token, database, ca string) {
	client, err := influxdb3.New(influxdb3.ClientConfig{Host: host, Token: token, Database: database, SSLRootsFilePath: ca})
	check(err)
	defer client.Close()
	point := influxdb3.NewPointWithMeasurement("first").SetTag("room", "hall").SetDoubleField("temp", 21.5)
	check(client.WritePoints(ctx, []*influxdb3.Point{point}))
	rows, err := client.Query(ctx, "SELECT room, temp FROM first")
	check(err)
	for rows.Next() {
		fmt.Fprintln(os.Stderr, rows.Value()["room"], rows.Value()["temp"])
	}
}

func connect(host, token, database, ca string) *influxdb3.Client {
	return must(influxdb3.New(influxdb3.ClientConfig{Host: host, Token: token, Database: database, SSLRootsFilePath: ca}))
}

// writes lets each way of writing put one row, and returns all.
func writes(client *influxdb3.Client) []object {
	line := fmt.Sprintf(`rooms,room=kitchen temp=21.5,hum=35i,co=7u,note="a, \"b\"",ok=true %d`, start)
	check(client.Write(ctx, []byte(line)))
	point := influxdb3.NewPointWithMeasurement("rooms").SetTag("room", "hall, small").
		SetDoubleField("temp", -1.5).SetIntegerField("hum", 36).SetUIntegerField("co", 8).
		SetStringField("note", "ü").SetBooleanField("ok", false).SetTimestamp(time.Unix(0, start+1))
	check(client.WritePoints(ctx, []*influxdb3.Point{point}, influxdb3.WithUseV2Api(false)))
	room := Room{"rooms", "cellar", 1e-3, -37, 9, "", true, time.Unix(0, start+2)}
	check(client.WriteData(ctx, []any{room}, influxdb3.WithDefaultTags(map[string]string{"floor": "-1"})))
	return rows(client.Query(ctx, rooms))
}

func points(client *influxdb3.Client) []object {
	iterator := must(client.QueryPointValue(ctx, rooms))
	all := []object{}
	for {
		values, err := iterator.Next()
		if errors.Is(err, influxdb3.Done) {
			return all
		}
		check(err)
		tags, fields := object{}, object{}
		for _, name := range values.GetTagNames() {
			tags[name], _ = values.GetTag(name)
		}
		for _, name := range values.GetFieldNames() {
			fields[name] = plain(values.GetField(name))
		}
		all = append(all, object{"tags": tags, "fields": fields, "time": plain(values.Timestamp)})
	}
}

func gzipped(client *influxdb3.Client) []object {
	all := []*influxdb3.Point{}
	for number := range 5000 {
		point := influxdb3.NewPointWithMeasurement("many").SetTag("n", strconv.Itoa(number%10)).SetIntegerField("v", int64(number))
		all = append(all, point.SetTimestamp(time.Unix(int64(number), 0)))
	}
	check(client.WritePoints(ctx, all, influxdb3.WithGzipThreshold(1)))
	return rows(client.Query(ctx, "SELECT count(*) AS n, sum(v) AS v FROM many"))
}

func batched(client *influxdb3.Client) []object {
	write := func(points []*influxdb3.Point) { check(client.WritePoints(ctx, points)) }
	batcher := batching.NewBatcher(batching.WithSize(100), batching.WithEmitCallback(write))
	for number := range 250 {
		point := influxdb3.NewPointWithMeasurement("batched").SetIntegerField("v", int64(number))
		batcher.Add(point.SetTimestamp(time.Unix(int64(number), 0)))
	}
	write(batcher.Flush())
	return rows(client.Query(ctx, "SELECT count(*) AS n, sum(v) AS v FROM batched"))
}

// large asks for a result of many messages.
func large(client *influxdb3.Client) object {
	iterator := must(client.Query(ctx, "SELECT a.n, a.v, b.v AS w, repeat('x', 100) AS x FROM many a CROSS JOIN (SELECT v FROM many LIMIT 20) b"))
	count := 0
	for iterator.Next() {
		count++
	}
	check(iterator.Err())
	return object{"rows": count}
}

func precisions(client *influxdb3.Client) []object {
	names := map[influxdb3.Precision]string{influxdb3.Second: "s", influxdb3.Millisecond: "ms", influxdb3.Microsecond: "us", influxdb3.Nanosecond: "ns"}
	for _, precision := range []influxdb3.Precision{influxdb3.Second, influxdb3.Millisecond, influxdb3.Microsecond, influxdb3.Nanosecond} {
		for _, old := range []bool{true, false} {
			point := influxdb3.NewPointWithMeasurement("precisions").SetTag("p", names[precision]).
				SetTag("v2", strconv.FormatBool(old)).SetBooleanField("v", true).SetTimestamp(time.Unix(0, 1234567890123456789))
			check(client.WritePoints(ctx, []*influxdb3.Point{point}, influxdb3.WithPrecision(precision), influxdb3.WithUseV2Api(old)))
		}
	}
	return rows(client.Query(ctx, "SELECT p, CAST(time AS BIGINT) AS time_ns FROM precisions WHERE v ORDER BY v2, time"))
}

func edges(client *influxdb3.Client) []object {
	check(client.Write(ctx, []byte("edges i=-9223372036854775808i,u=18446744073709551615u 1")))
	return rows(client.Query(ctx, "SELECT i, u FROM edges"))
}

// noSync writes twice: what is there after the second acknowledgement holds the first.
func noSync(client *influxdb3.Client) []object {
	check(client.Write(ctx, []byte("quick v=1i 1"), influxdb3.WithNoSync(true), influxdb3.WithUseV2Api(false)))
	check(client.Write(ctx, []byte("quick v=2i 2")))
	return rows(client.Query(ctx, "SELECT v FROM quick ORDER BY time"))
}

func rows(iterator *influxdb3.QueryIterator, err error) []object {
	check(err)
	all := []object{}
	for iterator.Next() {
		row := object{}
		for name, value := range iterator.Value() {
			row[name] = plain(value)
		}
		all = append(all, row)
	}
	check(iterator.Err())
	return all
}

// plain returns a value as the story tells it: whole numbers and times as text.
func plain(value any) any {
	switch value := value.(type) {
	case int64, uint64:
		return fmt.Sprint(value)
	case time.Time:
		return strconv.FormatInt(value.UnixNano(), 10)
	case arrow.Timestamp:
		return strconv.FormatInt(int64(value), 10)
	}
	return value
}

// refused returns how the client reads an error.
func refused(err error) object {
	if err == nil {
		return object{"message": "nothing failed"}
	}
	var server *influxdb3.ServerError
	if !errors.As(err, &server) {
		return object{"message": fmt.Sprint(err)}
	}
	told := object{"status": server.StatusCode, "code": server.Code, "message": server.Message}
	var partial *influxdb3.PartialWriteError
	if errors.As(err, &partial) {
		told["lines"] = partial.LineErrors
	}
	return told
}

// failure returns how the client reads the error of a query.
func failure(iterator *influxdb3.QueryIterator, err error) object {
	if err == nil {
		for iterator.Next() {
		}
		err = iterator.Err()
	}
	return refused(err)
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
