// Lets the official JavaScript client write and query, and prints what it saw as JSON.
//
// Arguments: URL, token, database, and optionally the package that is the client.
// An authority's certificate comes from the environment, see programs.py.
const [host, token, database, clientPackage = '@influxdata/influxdb3-client'] = process.argv.slice(2)
const {InfluxDBClient, Point, setLogger} = await import(clientPackage)

const START = 1700000000000000001n
const ROOMS = 'SELECT * FROM rooms ORDER BY time'

setLogger({error() {}, warn() {}}) // errors of writes are expected here

async function firstSteps() {
  const client = new InfluxDBClient({host, token, database})
  const point = Point.measurement('first').setTag('room', 'hall').setFloatField('temp', 21.5)
  await client.write(point)
  for await (const row of client.query('SELECT room, temp FROM first')) {
    console.error(row.room, row.temp)
  }
  await client.close()
}

/** Returns a value as the story tells it: whole numbers as text, times as text in milliseconds, which is what the client has. */
function plain(value, name) {
  if (name === 'time') return String(Math.floor(value))
  return typeof value === 'bigint' || Number.isInteger(value) ? String(value) : value
}

async function rows(client, sql, options) {
  const all = []
  for await (const row of client.query(sql, database, options)) {
    all.push(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value, name)])))
  }
  return all
}

/** Returns how the client reads the error of a call. */
async function failure(call) {
  try {
    await call()
  } catch (error) {
    const lines = error.json?.data
    const told = {status: error.statusCode, code: error.code ?? '', message: error.message}
    return Array.isArray(lines) ? {...told, lines} : told
  }
  return {message: 'nothing failed'}
}

const lines = (client, text, options) => client.write(text, database, undefined, options)

/** Lets each way of writing put one row, and returns all. */
async function writes(client) {
  await lines(client, `rooms,room=kitchen temp=21.5,hum=35i,co=7u,note="a, \\"b\\"",ok=true ${START}`)
  const room = (name, temp, hum, co, note, ok, time) =>
    Point.measurement('rooms').setTag('room', name).setFloatField('temp', temp).setIntegerField('hum', hum)
      .setUintegerField('co', co).setStringField('note', note).setBooleanField('ok', ok).setTimestamp(String(time))
  await client.write(room('hall, small', -1.5, 36, 8, 'ü', false, START + 1n), database, 'an org', {noSync: true})
  await client.write([room('cellar', 1e-3, -37, 9, '', true, START + 2n)], database, undefined, {defaultTags: {floor: '-1'}})
  return rows(client, ROOMS)
}

async function points(client) {
  const all = []
  for await (const values of client.queryPoints(ROOMS, database)) {
    const told = (name) => {
      const value = values.getField(name)
      return values.getFieldType(name).endsWith('integer') ? String(value) : value
    }
    all.push({
      tags: Object.fromEntries(values.getTagNames().map((name) => [name, values.getTag(name)])),
      fields: Object.fromEntries(values.getFieldNames().map((name) => [name, told(name)])),
      time: plain(values.getTimestamp(), 'time'),
    })
  }
  return all
}

async function gzipped(client) {
  const all = Array.from({length: 5000}, (_, n) => `many,n=${n % 10} v=${n}i ${n}`)
  await lines(client, all, {gzipThreshold: 1, precision: 's'})
  return rows(client, 'SELECT count(*) AS n, sum(v) AS v FROM many')
}

/** Asks for a result of many messages. */
async function large(client) {
  const sql = "SELECT a.n, a.v, b.v AS w, repeat('x', 100) AS x FROM many a CROSS JOIN (SELECT v FROM many LIMIT 20) b"
  let count = 0
  for await (const _ of client.query(sql, database)) count++
  return {rows: count}
}

async function precisions(client) {
  const times = {s: 1234567890, ms: 1234567890123, us: 1234567890123456, ns: '1234567890123456789'}
  for (const [precision, time] of Object.entries(times)) {
    for (const noSync of [false, true]) {
      const point = Point.measurement('precisions').setTag('p', precision).setTag('v2', String(!noSync)).setBooleanField('v', true)
      await client.write(point.setTimestamp(time), database, undefined, {precision, noSync})
    }
  }
  await lines(client, 'quick v=1i 1') // a write that waits for the disk has all before it in front of it
  return rows(client, 'SELECT p, CAST(time AS BIGINT) AS time_ns FROM precisions WHERE v ORDER BY v2, time')
}

async function story(client, stranger) {
  return {
    version: await client.getServerVersion(),
    rows: await writes(client),
    points: await points(client),
    nanoseconds: await rows(client, 'SELECT CAST(time AS BIGINT) AS ns FROM rooms ORDER BY time'),
    params: await rows(
      client,
      'SELECT room FROM rooms WHERE room = $room AND temp < $temp AND hum > $hum AND ok = $ok',
      {params: {room: 'kitchen', temp: 30.5, hum: 1, ok: true}}
    ),
    empty: await rows(client, "SELECT * FROM rooms WHERE room = 'nix'"),
    gzipped: await gzipped(client),
    large: await large(client),
    precisions: await precisions(client),
    partial: await failure(() => lines(client, 'lines v=1 1\nlines v= 2\nlines v=3 3', {noSync: true})),
    conflict: await failure(() => lines(client, 'lines v=true 4\nlines v=5.5 5', {noSync: true})),
    v2: await failure(() => lines(client, 'strict v=1 1\nstrict v= 2')),
    partial_in: await rows(client, 'SELECT CAST(v AS TEXT) AS v FROM lines ORDER BY time'),
    no_table: await failure(() => rows(client, 'SELECT * FROM strict')),
    no_database: await failure(() => client.query('SELECT 1', 'nix').next()),
    no_sense: await failure(() => rows(client, 'SELEC 1')),
    stranger: {
      write: await failure(() => lines(stranger, 'strange v=1 1')),
      query: await failure(() => rows(stranger, 'SELECT 1')),
    },
  }
}

await firstSteps()
const client = new InfluxDBClient({host, token, database})
const stranger = new InfluxDBClient({host, token: 'wrong', database})
console.log(JSON.stringify(await story(client, stranger)))
await client.close()
await stranger.close()
