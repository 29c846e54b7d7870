//go:build wasip1

// The analyst: reads tables in text form and says what is in them. See internal/turn.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"

	"aion.dev/agents/analyst/internal/host"
	"aion.dev/agents/analyst/internal/turn"
)

// heap is what the collector keeps below: a guest's memory never shrinks, and agent.yaml bounds it.
const heap = 256 << 20

func main() {
	debug.SetMemoryLimit(heap)
	var input host.Input
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		fail(fmt.Errorf("standard input is not the document of docs/wasm-abi.md: %w", err))
	}
	if err := turn.Run(host.Worker{}, input); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
