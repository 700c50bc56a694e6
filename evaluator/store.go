package evaluator

import (
	"context"

	"github.com/9bikes/tocsin/rules"
)

// Store keeps ledgers. It holds no policy: it writes what a ledger says has
// changed and gives back what was written.
type Store interface {
	// Load returns the ledgers of the listed rules, those of all rules without
	// a list; deleted rules that owe nothing are left out unless listed. The
	// ledger with the empty rule ID is tocsin's own and always exists. Listed
	// ids that do not exist are left out.
	//
	// It answers while a Save is under way, with what was committed before: whoever
	// only looks must not wait for a slow disk.
	Load(ctx context.Context, ids ...string) ([]*rules.Ledger, error)

	// Moved returns what other processes, or other parts of this one through
	// other methods than Save, committed since it last returned without an
	// error: who called it keeps that until it is read. While nothing moved it
	// reads no table.
	Moved(ctx context.Context) (Moved, error)

	// Save writes the changes of every ledger of the batch in one transaction
	// and calls Saved on each. Where the stored revision of a ledger is not the
	// one it was read at, Save reads it anew inside the transaction and calls
	// again with it; again makes its decision on the fresh ledger, and that one
	// is written in its place. An error of again ends the transaction, nothing
	// is written, and Save returns that error. A batch without changes opens no transaction. A new ledger whose
	// name is taken by another of the same owner, not deleted, is a
	// rules.Conflict.
	Save(ctx context.Context, batch []*rules.Ledger, again func(fresh *rules.Ledger) error) error
}
