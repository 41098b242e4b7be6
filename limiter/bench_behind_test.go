package limiter_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store/bolt"
	"gopher-equalizer/store/postgres"
	"gopher-equalizer/store/postgres/pgtest"
)

// These benchmarks measure the write-behind. Each has a bare loop beside it that does the same with
// the least work. Run them with make bench-go BENCH=LargeBehind. They start a PostgreSQL of their
// own, without fsync, unless EQUALIZER_TEST_POSTGRES_URL names one.

// rowsStored are in the store. Every second one is dirty.
const rowsStored, rowsDirty, rowsBatch = 2_000_000, 1_000_000, 10_000

// BenchmarkLargeBehindPostgres is a load and a flush of half of what was loaded.
func BenchmarkLargeBehindPostgres(b *testing.B) {
	var server pgtest.Server
	b.Cleanup(server.Close)
	place := server.Schema(b)
	conn := pgtest.Connect(b, place)
	open := func() limiter.Store { return openPostgres(b, place) }
	bare := &barePostgres{b: b, conn: conn}
	behind(b, open, bare, func() int64 { return walPosition(b, conn) })
}

// BenchmarkLargeBehindBolt is the same on bbolt.
func BenchmarkLargeBehindBolt(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "ours.db")
	open := func() limiter.Store {
		s, err := bolt.Open(context.Background(), bolt.Options{Path: path, ConnectTimeout: time.Minute, Timeout: time.Minute})
		must(b, err)
		return s
	}
	behind(b, open, &bareBolt{b: b, path: filepath.Join(dir, "bare.db")}, nil)
}

// bareStore does what a store must, and nothing else.
type bareStore interface {
	// fill stores as many rows as the store holds.
	fill(clients []string)
	// scan reads everything into a map.
	scan() int
	// update writes the rows of these clients, in their order.
	update(clients []string)
}

func behind(b *testing.B, open func() limiter.Store, bare bareStore, wal func() int64) {
	clients := names(rowsStored)
	s := open()
	service := opened(b, s)
	for _, id := range clients {
		service.Limits()[0].Take(id, 1)
	}
	must(b, service.Close(context.Background()))
	must(b, s.Close())
	bare.fill(clients)
	half := make([]string, 0, rowsDirty)
	for i := 0; i < rowsStored; i += 2 {
		half = append(half, clients[i])
	}

	var figures struct{ load, scan, flush, update, wal, rows float64 }
	for b.Loop() {
		begin := time.Now()
		if n := bare.scan(); n != rowsStored {
			b.Fatalf("scanned %d rows", n)
		}
		figures.scan += time.Since(begin).Seconds()
		s := open()
		begin = time.Now()
		service := opened(b, s)
		figures.load += time.Since(begin).Seconds()

		for _, id := range half {
			service.Limits()[0].Take(id, 1)
		}
		runtime.GC()
		var from int64
		if wal != nil {
			from = wal()
		}
		begin = time.Now()
		must(b, service.Close(context.Background()))
		figures.flush += time.Since(begin).Seconds()
		if wal != nil {
			figures.wal += float64(wal() - from)
		}
		must(b, s.Close())
		runtime.GC()
		begin = time.Now()
		bare.update(half)
		figures.update += time.Since(begin).Seconds()
		runtime.KeepAlive(service) // so that the bare loop runs with the same heap
		figures.rows += rowsDirty
	}
	b.ReportMetric(figures.rows/figures.flush, "flushed/s")
	b.ReportMetric(figures.rows/figures.update, "bare/s")
	b.ReportMetric(figures.update/figures.flush, "flush:bare")
	b.ReportMetric(figures.load/figures.scan, "load:scan")
	if wal != nil {
		b.ReportMetric(figures.wal/figures.rows, "WAL-B/row")
	}
	b.ReportMetric(0, "ns/op")
}

// names are client_ids of 16 bytes, in order.
func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("client-%09d", i)
	}
	return all
}

func opened(b *testing.B, s limiter.Store) *limiter.Service {
	b.Helper()
	service, err := limiter.Open(context.Background(), limiter.Options{
		Limits: []limiter.LimitOptions{{
			Name:       "default",
			Settings:   gcra.Settings{Capacity: 100_000, Refill: gcra.Refill{Amount: 1, Per: time.Minute}},
			MaxBuckets: 10_000_000,
		}},
		FlushInterval: time.Second, StoreTimeout: time.Minute, Logger: zerolog.Nop(),
	}, s)
	must(b, err)
	return service
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func openPostgres(b *testing.B, place string) limiter.Store {
	b.Helper()
	u, err := url.Parse(place)
	must(b, err)
	port, err := strconv.Atoi(u.Port())
	must(b, err)
	password, _ := u.User.Password()
	s, err := postgres.New(postgres.Options{
		Host: u.Hostname(), Port: port, User: u.User.Username(), Password: password, DBName: u.Path[1:],
		SSLMode: "disable", Schema: u.Query().Get("schema"), ConnectTimeout: time.Minute, Timeout: time.Minute,
	})
	must(b, err)
	must(b, s.Connect(context.Background()))
	return s
}

func walPosition(b *testing.B, conn *pgx.Conn) (bytes int64) {
	b.Helper()
	must(b, conn.QueryRow(context.Background(), "SELECT pg_current_wal_insert_lsn() - '0/0'").Scan(&bytes))
	return bytes
}

// barePostgres has a table like ours.
type barePostgres struct {
	b    *testing.B
	conn *pgx.Conn
}

func (p *barePostgres) exec(sql string, args ...any) {
	p.b.Helper()
	_, err := p.conn.Exec(context.Background(), sql, args...)
	must(p.b, err)
}

func (p *barePostgres) fill([]string) {
	p.exec("CREATE TABLE bare (LIKE buckets INCLUDING ALL) WITH (fillfactor = 70)")
	p.exec("INSERT INTO bare SELECT * FROM buckets")
	p.exec("VACUUM ANALYZE bare")
	p.exec("VACUUM ANALYZE buckets")
	p.exec("SET plan_cache_mode = force_generic_plan") // otherwise it may read the whole table for each batch
}

type bareRow struct {
	tokens  float64
	at      time.Time
	managed bool
	id      int32
}

func (p *barePostgres) scan() int {
	rows, err := p.conn.Query(context.Background(), "SELECT client_id, managed, settings_id, tokens, counted_at FROM bare")
	must(p.b, err)
	all := map[string]bareRow{}
	for rows.Next() {
		var id string
		var r bareRow
		must(p.b, rows.Scan(&id, &r.managed, &r.id, &r.tokens, &r.at))
		all[id] = r
	}
	must(p.b, rows.Err())
	return len(all)
}

func (p *barePostgres) update(clients []string) {
	now := time.Now()
	for at := 0; at < len(clients); at += rowsBatch {
		batch := clients[at:min(len(clients), at+rowsBatch)]
		tokens, times := make([]float64, len(batch)), make([]time.Time, len(batch))
		for i := range batch {
			tokens[i], times[i] = float64(i), now
		}
		p.exec(`UPDATE bare b SET tokens = u.tokens, counted_at = u.at
			FROM unnest($1::text[], $2::double precision[], $3::timestamptz[]) u (id, tokens, at) WHERE b.client_id = u.id`,
			batch, tokens, times)
	}
}

// bareBolt has a file with keys and values as long as ours.
type bareBolt struct {
	b    *testing.B
	path string
	db   *bbolt.DB
}

func (f *bareBolt) fill(clients []string) {
	var err error
	f.db, err = bbolt.Open(f.path, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	must(f.b, err)
	f.b.Cleanup(func() { _ = f.db.Close() })
	must(f.b, f.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("buckets"))
		return err
	}))
	f.update(clients)
}

func (f *bareBolt) scan() int {
	all := map[string][]byte{}
	must(f.b, f.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("buckets")).ForEach(func(k, v []byte) error {
			all[string(k)] = bytes.Clone(v)
			return nil
		})
	}))
	return len(all)
}

func (f *bareBolt) update(clients []string) {
	value := make([]byte, 28)
	for at := 0; at < len(clients); at += rowsBatch {
		batch := clients[at:min(len(clients), at+rowsBatch)]
		must(f.b, f.db.Update(func(tx *bbolt.Tx) error {
			buckets := tx.Bucket([]byte("buckets"))
			for _, id := range batch {
				if err := buckets.Put([]byte(id), bytes.Clone(value)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// BenchmarkLargeBehindMemory measures the memory that a dirty bucket takes beyond a clean one while
// the store is away, and the peak while a flush tries.
func BenchmarkLargeBehindMemory(b *testing.B) {
	s := &away{b: b}
	service := opened(b, s)
	clients := names(rowsDirty)
	for _, id := range clients {
		service.Limits()[0].Take(id, 1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	must(b, service.Close(ctx)) // all are clean
	cancel()
	s.away = true
	var waiting, trying float64
	for b.Loop() {
		clean := heapAlloc()
		for _, id := range clients {
			service.Limits()[0].Take(id, 1)
		}
		waiting += float64(heapAlloc() - clean)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		if service.Close(ctx) == nil {
			b.Fatal("the store is not away")
		}
		cancel()
		trying += float64(s.heap - clean)
		s.away = false
		must(b, service.Close(context.Background()))
		s.away = true
	}
	runtime.KeepAlive(clients)
	b.ReportMetric(waiting/float64(b.N*rowsDirty), "B/dirty-waiting")
	b.ReportMetric(trying/float64(b.N*rowsDirty), "B/dirty-trying")
	b.ReportMetric(0, "ns/op")
}

// away is a store that is away. It measures the heap while a flush tries it.
type away struct {
	discard
	b    *testing.B
	away bool
	heap int64
}

func (s *away) Write(context.Context, limiter.Batch) error {
	if !s.away {
		return nil
	}
	s.heap = max(s.heap, heapAlloc())
	return context.DeadlineExceeded
}

func heapAlloc() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
