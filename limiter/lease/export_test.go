package lease

// JoinWait is the beginning of Wait. replied is closed by the ledger's next reply about the client.
func (l *Limit) JoinWait(clientID string, cost int64) (replied <-chan struct{}, leave func()) {
	one := l.waits.join(clientID, cost)
	return one.replied, func() { l.waits.leave(clientID, one, cost) }
}
