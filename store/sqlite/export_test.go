package sqlite

import "fmt"

// Limit lets the file have so many pages.
func Limit(db *DB, pages int) error {
	db.sql.SetMaxOpenConns(1) // it counts for a connection
	_, err := db.sql.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	return err
}
