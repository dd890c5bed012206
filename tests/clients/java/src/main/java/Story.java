import com.google.gson.GsonBuilder;
import com.influxdb.v3.client.InfluxDBApiHttpException;
import com.influxdb.v3.client.InfluxDBClient;
import com.influxdb.v3.client.Point;
import com.influxdb.v3.client.PointValues;
import com.influxdb.v3.client.config.ClientConfig;
import com.influxdb.v3.client.query.QueryOptions;
import com.influxdb.v3.client.write.WriteOptions;
import com.influxdb.v3.client.write.WritePrecision;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.arrow.vector.util.Text;

/**
 * Lets the official Java client write and query, and prints what it saw as JSON.
 *
 * <p>Arguments: URL, token, database, and optionally the file of an authority's certificate.
 */
public final class Story {
  private static final long START = 1700000000000000001L;
  private static final String ROOMS = "SELECT * FROM rooms ORDER BY time";

  private final InfluxDBClient client;

  private Story(InfluxDBClient client) {
    this.client = client;
  }

  public static void main(String[] words) throws Exception {
    String host = words[0];
    String token = words[1];
    String database = words[2];
    String authority = words.length > 3 ? words[3] : null;
    firstSteps(host, token, database, authority);
    try (InfluxDBClient client = connect(host, token, database, authority);
        InfluxDBClient stranger = connect(host, "wrong", database, authority)) {
      Map<String, Object> told = new Story(client).tell();
      told.put("stranger", Map.of(
          "write", failure(() -> stranger.writeRecord("strange v=1 1")),
          "query", failure(() -> rows(stranger.queryRows("SELECT 1")))));
      System.out.println(new GsonBuilder().serializeNulls().create().toJson(told));
    }
  }

  private static void firstSteps(String host, String token, String database, String authority) throws Exception {
    ClientConfig config = new ClientConfig.Builder()
        .host(host).token(token.toCharArray()).database(database).sslRootsFilePath(authority).build();
    try (InfluxDBClient client = InfluxDBClient.getInstance(config)) {
      client.writePoint(Point.measurement("first").setTag("room", "hall").setFloatField("temp", 21.5));
      try (var rows = client.queryRows("SELECT room, temp FROM first")) {
        rows.forEach(row -> System.err.println(row.get("room") + " " + row.get("temp")));
      }
    }
  }

  private static InfluxDBClient connect(String host, String token, String database, String authority) {
    return InfluxDBClient.getInstance(new ClientConfig.Builder()
        .host(host).token(token.toCharArray()).database(database).sslRootsFilePath(authority).build());
  }

  private Map<String, Object> tell() {
    Map<String, Object> told = new LinkedHashMap<>();
    WriteOptions quick = new WriteOptions.Builder().noSync(true).build();
    told.put("version", client.getServerVersion());
    told.put("rows", writes());
    told.put("points", points());
    told.put("nanoseconds", rows(client.queryRows("SELECT CAST(time AS BIGINT) AS ns FROM rooms ORDER BY time")));
    told.put("params", rows(client.queryRows(
        "SELECT room FROM rooms WHERE room = $room AND temp < $temp AND hum > $hum AND ok = $ok",
        Map.of("room", "kitchen", "temp", 30.5, "hum", 1, "ok", true))));
    told.put("empty", rows(client.queryRows("SELECT * FROM rooms WHERE room = 'nix'")));
    told.put("gzipped", gzipped());
    told.put("large", large());
    told.put("precisions", precisions());
    told.put("partial", failure(() -> client.writeRecord("lines v=1 1\nlines v= 2\nlines v=3 3", quick)));
    told.put("conflict", failure(() -> client.writeRecords(List.of("lines v=true 4", "lines v=5.5 5"), quick)));
    told.put("v2", failure(() -> client.writeRecord("strict v=1 1\nstrict v= 2")));
    told.put("partial_in", rows(client.queryRows("SELECT CAST(v AS TEXT) AS v FROM lines ORDER BY time")));
    told.put("no_table", failure(() -> rows(client.queryRows("SELECT * FROM strict"))));
    told.put("no_database", failure(() -> rows(client.queryRows("SELECT 1", new QueryOptions("nix")))));
    told.put("no_sense", failure(() -> rows(client.queryRows("SELEC 1"))));
    return told;
  }

  /** Lets each way of writing put one row, and returns all. */
  private List<Map<String, Object>> writes() {
    client.writeRecord("rooms,room=kitchen temp=21.5,hum=35i,co=7u,note=\"a, \\\"b\\\"\",ok=true " + START);
    Point hall = Point.measurement("rooms").setTag("room", "hall, small").setFloatField("temp", -1.5)
        .setIntegerField("hum", 36).setStringField("note", "ü").setBooleanField("ok", false)
        .setTimestamp(START + 1, WritePrecision.NS);
    client.writePoint(hall, new WriteOptions.Builder().noSync(true).build());
    Point cellar = Point.measurement("rooms").setTag("room", "cellar").setFloatField("temp", 1e-3)
        .setIntegerField("hum", -37).setStringField("note", "").setBooleanField("ok", true)
        .setTimestamp(START + 2, WritePrecision.NS);
    client.writePoints(List.of(cellar), new WriteOptions.Builder().defaultTags(Map.of("floor", "-1")).build());
    client.writeRecords(List.of( // points have no unsigned numbers
        "rooms,room=hall\\,\\ small co=8u " + (START + 1), "rooms,room=cellar,floor=-1 co=9u " + (START + 2)));
    return rows(client.queryRows(ROOMS));
  }

  private List<Map<String, Object>> points() {
    List<Map<String, Object>> all = new ArrayList<>();
    try (Stream<PointValues> stream = client.queryPoints(ROOMS)) {
      stream.forEach(values -> {
        Map<String, Object> tags = new LinkedHashMap<>();
        Map<String, Object> fields = new LinkedHashMap<>();
        for (String name : values.getTagNames()) {
          tags.put(name, values.getTag(name));
        }
        for (String name : values.getFieldNames()) {
          fields.put(name, plain(values.getField(name)));
        }
        all.add(Map.of("tags", tags, "fields", fields, "time", values.getTimestamp().toString()));
      });
    }
    return all;
  }

  private List<Map<String, Object>> gzipped() {
    List<String> all = IntStream.range(0, 5000).mapToObj(n -> "many,n=" + n % 10 + " v=" + n + "i " + n).toList();
    client.writeRecords(all, new WriteOptions.Builder().gzipThreshold(1).precision(WritePrecision.S).build());
    return rows(client.queryRows("SELECT count(*) AS n, sum(v) AS v FROM many"));
  }

  /** Asks for a result of many messages. */
  private Map<String, Object> large() {
    String sql = "SELECT a.n, a.v, b.v AS w, repeat('x', 100) AS x FROM many a CROSS JOIN (SELECT v FROM many LIMIT 20) b";
    try (Stream<Object[]> stream = client.query(sql)) {
      return Map.of("rows", stream.count());
    }
  }

  private List<Map<String, Object>> precisions() {
    Map<WritePrecision, Long> times = new LinkedHashMap<>();
    times.put(WritePrecision.S, 1234567890L);
    times.put(WritePrecision.MS, 1234567890123L);
    times.put(WritePrecision.US, 1234567890123456L);
    times.put(WritePrecision.NS, 1234567890123456789L);
    times.forEach((precision, time) -> {
      for (boolean noSync : new boolean[] {false, true}) {
        // Points always go out in nanoseconds, lines with the precision of the options.
        String line = "precisions,p=" + precision.name().toLowerCase() + ",v2=" + !noSync + " v=true " + time;
        client.writeRecord(line, new WriteOptions.Builder().precision(precision).noSync(noSync).build());
      }
    });
    client.writeRecord("quick v=1i 1"); // a write that waits for the disk has all before it in front of it
    return rows(client.queryRows("SELECT p, CAST(time AS BIGINT) AS time_ns FROM precisions WHERE v ORDER BY v2, time"));
  }

  private static List<Map<String, Object>> rows(Stream<Map<String, Object>> stream) {
    try (stream) {
      List<Map<String, Object>> all = new ArrayList<>();
      stream.forEach(row -> {
        Map<String, Object> told = new LinkedHashMap<>();
        row.forEach((name, value) -> told.put(name, plain(value)));
        all.add(told);
      });
      return all;
    }
  }

  /** Returns a value as the story tells it: whole numbers and times as text. */
  private static Object plain(Object value) {
    boolean isText = value instanceof Long || value instanceof BigInteger || value instanceof Text;
    return isText ? value.toString() : value;
  }

  /** Returns how the client reads the error of a call. */
  private static Map<String, Object> failure(Runnable call) {
    try {
      call.run();
    } catch (InfluxDBApiHttpException error) {
      return Map.of("status", error.statusCode(), "message", error.getMessage());
    } catch (RuntimeException error) {
      return Map.of("message", String.valueOf(error.getMessage()));
    }
    return Map.of("message", "nothing failed");
  }
}
