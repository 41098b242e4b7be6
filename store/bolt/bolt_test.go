package bolt

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
	"gopher-equalizer/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(holdVariable); path != "" {
		hold(path)
	}
	goleak.VerifyTestMain(m)
}

// holdVariable makes the test binary another process, which holds the file that it names.
const holdVariable = "EQUALIZER_TEST_HOLD"

// hold opens a file, writes to it, says so, and waits to be killed.
func hold(path string) {
	s, err := Open(context.Background(), options(path))
	if err != nil {
		panic(err)
	}
	if err := s.Write(context.Background(), limiter.Batch{Puts: storetest.Records(1)}); err != nil {
		panic(err)
	}
	fmt.Println("holding")
	select {}
}

func options(path string) Options {
	return Options{Path: path, ConnectTimeout: 10 * time.Second, Timeout: 10 * time.Second, Logger: zerolog.Nop()}
}

func place(t *testing.T) storetest.Place {
	o := options(filepath.Join(t.TempDir(), "data", "equalizer.db"))
	return storetest.Place{
		Open:    func(ctx context.Context) (limiter.Store, error) { return Open(ctx, o) },
		Durable: true,
		Stall:   func(_ *testing.T, s limiter.Store) func() { return stall(s.(*Store)) },
	}
}

// stall makes all of bbolt's calls hang, as a dead disk would. bbolt holds this lock while it
// writes a meta page, and takes it at the beginning of every transaction.
func stall(s *Store) (release func()) {
	lock := (*sync.Mutex)(unsafe.Pointer(reflect.ValueOf(s.db).Elem().FieldByName("metalock").UnsafeAddr()))
	lock.Lock()
	return lock.Unlock
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), options(path))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, place) }

// All promises also hold if every batch becomes recent, and nearly every write folds.
func TestStoreOfRecentBatches(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		p := place(t)
		open := p.Open
		p.Open = func(ctx context.Context) (limiter.Store, error) {
			s, err := open(ctx)
			if err != nil {
				return nil, err
			}
			s.(*Store).pace = hurry()
			return s, nil
		}
		return p
	})
}

func TestFileAndDirectoryAreTheOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "equalizer.db")
	open(t, path)
	mode := func(path string) os.FileMode {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	require.Equal(t, os.FileMode(0o600), mode(path))
	require.Equal(t, os.FileMode(0o600), mode(holderPath(path)))
	require.Equal(t, os.FileMode(0o700), mode(filepath.Dir(path)))
	require.Equal(t, os.FileMode(0o700), mode(filepath.Dir(filepath.Dir(path))))
}

func TestCloseTakesTheHolderAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "equalizer.db")
	s := open(t, path)
	require.FileExists(t, holderPath(path))
	require.NoError(t, s.Close())
	require.NoFileExists(t, holderPath(path))
}

func TestASecondOpenerGetsTheFileWhenItIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "equalizer.db")
	first := open(t, path)
	storetest.Write(t, first, limiter.Batch{Puts: storetest.Records(1)})

	waiting := make(chan struct{}, 1)
	o := options(path)
	o.Logger = zerolog.New(writerFunc(func(p []byte) { waiting <- struct{}{} }))
	opened := make(chan *Store)
	go func() {
		second, err := Open(t.Context(), o)
		require.NoError(t, err)
		opened <- second
	}()
	<-waiting
	require.NoError(t, first.Close())
	second := <-opened
	defer second.Close()
	require.Len(t, storetest.Load(t, second), 1)
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestASecondProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "equalizer.db")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holdVariable+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "holding\n", line)

	o := options(path)
	o.ConnectTimeout = 100 * time.Millisecond
	_, err = Open(t.Context(), o)
	require.ErrorIs(t, err, store.ErrHeld)
	require.ErrorContains(t, err, fmt.Sprintf("process %d on %s, since ", child.Process.Pid, store.Self().Host))

	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.Len(t, storetest.Load(t, open(t, path)), 1, "what it was told is stored survives kill -9")
}

func TestConnectTimeoutBoundsTheWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "equalizer.db")
	open(t, path)
	o := options(path)
	o.ConnectTimeout = 100 * time.Millisecond
	start := time.Now()
	_, err := Open(t.Context(), o)
	require.ErrorContains(t, err, "store "+path+": held by another process: process ")
	require.GreaterOrEqual(t, time.Since(start), o.ConnectTimeout)
}

// A write that hangs in its commit is left behind, and the next call waits for it and sees it.
func TestAWriteLeftBehindIsOutwaited(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "equalizer.db"))
	reading, err := s.db.Begin(false) // the commit has to move the memory map, which waits for readers
	require.NoError(t, err)
	// Close would wait for it, too. Later calls do nothing.
	t.Cleanup(func() { _ = reading.Rollback() })

	// Enough time to reach the commit on a busy machine: a call that ends earlier leaves no doubt.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	records := storetest.Records(3000)
	err = s.Write(ctx, limiter.Batch{Puts: records})
	require.ErrorIs(t, err, limiter.ErrInDoubt)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _, err = s.Get(ctx, storetest.Keys(records[0].ClientID)[0])
	require.ErrorIs(t, err, context.DeadlineExceeded, "it must not return before the write has ended")
	err = s.Write(ctx, limiter.Batch{Deletes: storetest.Keys("x")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, limiter.ErrInDoubt, "it never began")

	require.NoError(t, reading.Rollback())
	require.Len(t, storetest.Load(t, s), len(records))
}

// A write that was left behind before its commit doesn't begin the commit.
func TestAWriteLeftBehindEarlyIsNotApplied(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "equalizer.db"))
	release := stall(s)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Write(ctx, limiter.Batch{Puts: storetest.Records(1)}), limiter.ErrInDoubt)
	release()
	require.Empty(t, storetest.Load(t, s))
}

func TestCloseGivesUpOnADiskThatHangs(t *testing.T) {
	o := options(filepath.Join(t.TempDir(), "equalizer.db"))
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	s.o.Timeout = 100 * time.Millisecond // Opening may take longer on a busy disk.
	release := stall(s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err = s.Get(ctx, storetest.Keys("alice")[0])
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, s.Close(), o.Path+": a call under way did not end within 100ms")

	release()
	again, err := Open(t.Context(), o) // once it returns, the call releases the file
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

// What waits for the disk is done aside: the thread that waits keeps its processor.
func TestCallsAreDoneAside(t *testing.T) {
	o := options(filepath.Join(t.TempDir(), "equalizer.db"))
	var began, ended atomic.Int64
	o.Aside = func(job func()) {
		began.Add(1)
		job()
		ended.Add(1)
	}
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	opened := began.Load()
	require.Positive(t, opened)
	require.NoError(t, s.Write(t.Context(), limiter.Batch{Puts: storetest.Records(1)}))
	_, _, err = s.Get(t.Context(), storetest.Records(1)[0].Key)
	require.NoError(t, err)
	require.Equal(t, opened+2, began.Load())
	require.NoError(t, s.Close())
	require.Equal(t, began.Load(), ended.Load())
}
