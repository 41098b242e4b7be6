package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// settings are what a row of that table holds.
type settings struct {
	gcra.Settings
	kind limiter.Kind
}

func settingsOf(r *limiter.Record) settings { return settings{r.Settings, r.Kind} }

const (
	internSQL = `
INSERT INTO settings (capacity, refill, kind)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::smallint[]) ON CONFLICT DO NOTHING`

	settingsIDsSQL = `
SELECT s.id FROM unnest($1::bigint[], $2::text[], $3::smallint[]) WITH ORDINALITY AS wanted (capacity, refill, kind, place)
JOIN settings s USING (capacity, refill, kind) ORDER BY place`
)

// intern gets an id for each of the records' settings. It isn't part of the transaction that needs
// them: a row of settings is independent of buckets, and of the writer that stored it.
func (c *session) intern(ctx context.Context, records []limiter.Record) error {
	fresh := c.freshSettings(records)
	if len(fresh) == 0 {
		return nil
	}
	capacities, refills, kinds := make([]int64, len(fresh)), make([]string, len(fresh)), make([]int16, len(fresh))
	for i, s := range fresh {
		capacities[i], refills[i], kinds[i] = s.Capacity, s.Refill.String(), int16(s.kind)
	}
	if _, err := c.conn.Exec(ctx, internSQL, capacities, refills, kinds); err != nil {
		return wrapf(err, "store the settings")
	}
	rows, err := c.conn.Query(ctx, settingsIDsSQL, capacities, refills, kinds)
	if err != nil {
		return wrapf(err, "read the settings")
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return wrapf(err, "read the settings")
	}
	for i, id := range ids {
		c.settings[fresh[i]] = id
	}
	return nil
}

// freshSettings are those that have no id yet, without duplicates.
func (c *session) freshSettings(records []limiter.Record) []settings {
	var fresh []settings
	seen := map[settings]bool{}
	for i := range records {
		of := settingsOf(&records[i])
		if _, known := c.settings[of]; !known && !seen[of] {
			seen[of] = true
			fresh = append(fresh, of)
		}
	}
	return fresh
}
