package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

const (
	internSQL = `
INSERT INTO settings (capacity, refill) SELECT * FROM unnest($1::bigint[], $2::text[]) ON CONFLICT DO NOTHING`

	settingsIDsSQL = `
SELECT s.id FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS wanted (capacity, refill, place)
JOIN settings s USING (capacity, refill) ORDER BY place`
)

// intern gets an id for each of the records' settings. It isn't part of the transaction that needs
// them: a row of settings is independent of buckets, and of the writer that stored it.
func (c *session) intern(ctx context.Context, records []limiter.Record) error {
	fresh := c.freshSettings(records)
	if len(fresh) == 0 {
		return nil
	}
	capacities, refills := make([]int64, len(fresh)), make([]string, len(fresh))
	for i, s := range fresh {
		capacities[i], refills[i] = s.Capacity, s.Refill.String()
	}
	if _, err := c.conn.Exec(ctx, internSQL, capacities, refills); err != nil {
		return wrapf(err, "store the settings")
	}
	rows, err := c.conn.Query(ctx, settingsIDsSQL, capacities, refills)
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
func (c *session) freshSettings(records []limiter.Record) []gcra.Settings {
	var fresh []gcra.Settings
	seen := map[gcra.Settings]bool{}
	for _, r := range records {
		if _, known := c.settings[r.Settings]; !known && !seen[r.Settings] {
			seen[r.Settings] = true
			fresh = append(fresh, r.Settings)
		}
	}
	return fresh
}
