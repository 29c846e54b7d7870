/* What the programs and the loader both read; src/layout.rs says the same in Rust. */
#ifndef AION_LAYOUT_H
#define AION_LAYOUT_H

#include "kernel.h"

enum {
	SLOTS = 1024,
	CLASSES = 12,
	/* Powers of two from 256 ns; the last one holds all that took longer. */
	BUCKETS = 24,
	SHOWN = 8,
	TEXT = 192,
	/* Bytes of what a rule lets through, and how many of them there are of all agents. */
	WHAT = 96,
	ALLOWED = 4096,
	KINDS = 8,
	/* Events of one agent in one second; the others are counted. */
	EVENTS_PER_SECOND = 256,
	RING_BYTES = 1 << 20,
	IN_FLIGHT = 4096,
};

enum kind {
	KIND_EXEC = 1,
	KIND_OPEN = 2,
	KIND_CONNECT = 3,
	KIND_DENIED = 4,
	KIND_OOM = 5,
	KIND_SIGNAL = 6,
};

/* What is done about an event of a kind; 0 where nothing is. */
enum rule {
	ACT_ALERT = 1,
	ACT_DENY = 2,
	ACT_KILL = 3,
};

/* A path begins with `want` in the bits of `mask`. */
struct shown {
	u64 want;
	u64 mask;
};

/* What a rule lets through of an agent: a program by its path, which zeros follow, or an address of version six, a
 * port as the wire has it, and zeros. */
struct allowed {
	u64 key;
	u64 kind;
	char what[WHAT];
};

enum manner {
	/* The hooks of BPF LSM are attached: they refuse before anything is done. */
	HOOKED = 1,
	/* Its loopback is nobody's but its own. */
	OWN_LOOPBACK = 2,
};

/* One agent that runs. */
struct slot {
	/* Which one; 0 where there is none. Never given twice. */
	u64 key;
	/* Two bits a kind: what to do about it. */
	u64 rules;
	/* As enum manner. */
	u64 manner;
	/* Programs that it is yet to execute as its own, which break no rule. */
	u64 own;
	u64 second;
	u64 sent;
	/* Events for which the ring had no room. */
	u64 dropped;
	/* Events above the bound of a second. */
	u64 limited;
	/* Threads that the kernel had no memory to mark. */
	u64 unfollowed;
	u64 calls[CLASSES];
	u64 denied[CLASSES];
	u64 events[KINDS];
	/* Of these, those that broke a rule. */
	u64 broken[KINDS];
	struct shown shown[SHOWN];
	/* What is not shown, whatever is. */
	struct shown hidden[SHOWN];
	u32 latency[CLASSES][BUCKETS];
};

/* What a thread of an agent is marked with. */
struct mark {
	u64 key;
	u64 slot;
};

struct event {
	u64 key;
	u64 at;
	u32 pid;
	s32 result;
	u16 kind;
	u16 call;
	/* The rule that was broken, as enum rule. */
	u16 rule;
	/* Bytes of `text`. */
	u16 length;
	char comm[16];
	char text[TEXT];
};

/* Set by the loader, for all agents. */
struct settings {
	/* Since when latencies are taken; 0 while they are not. */
	u64 sampling_since;
};

#endif
