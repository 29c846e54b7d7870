/* The programs that follow agents in the kernel: one set for all of them. A thread of an agent has a mark, which says
 * in which slot it is counted; a thread without one is nobody's, and a program ends at that. What an agent's thread
 * makes is marked before it runs. */
#include "classes.h"
#include "kernel.h"
#include "layout.h"

struct {
	__uint(type, MAP_TASK_STORAGE);
	__uint(map_flags, NO_PREALLOC);
	__type(key, s32);
	__type(value, struct mark);
} marks SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, RING_BYTES);
} events SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct settings);
} settings SEC(".maps");

/* When a thread entered the call that it is in: its id in the low 22 bits, which is all that an id has, and above them
 * the time in units of 64 ns. It is one word, so two threads that meet in one place are never mixed up. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, IN_FLIGHT);
	__type(key, u32);
	__type(value, u64);
} in_flight SEC(".maps");

enum {
	ID_BITS = 22,
	UNIT_BITS = 6,
	FIRST_BUCKET_BITS = 8,
	EPERM = 1,
	EACCES = 13,
	EROFS = 30,
	AF_INET = 2,
	AF_INET6 = 10,
	SIGKILL = 9,
	SECOND = 1000000000,
};

#define INLINE static __attribute__((always_inline))
#define ID_MASK ((1u << ID_BITS) - 1)

INLINE struct slot *slot_of(struct task_struct *task)
{
	struct mark *mark = task_storage(&marks, task, 0, 0);
	if (!mark)
		return 0;
	u32 at = mark->slot;
	struct slot *slot = map_lookup(&slots, &at);
	/* A mark outlives its agent where a process of it does. */
	return slot && slot->key == mark->key ? slot : 0;
}

/* Does what the agent's rule says of this kind, as far as it can be done once it has happened, and begins the event,
 * within the agent's bound. Whoever gets one submits it. */
INLINE struct event *begin(struct slot *slot, u32 kind)
{
	u32 rule = slot->rules >> (2 * kind) & 3;
	u64 now = ktime_ns();
	if (rule == ACT_KILL)
		send_signal(SIGKILL);
	__sync_fetch_and_add(&slot->events[kind & (KINDS - 1)], 1);
	/* Two threads at the turn of a second may each begin it: the bound is not exact. */
	if (now - slot->second > SECOND) {
		slot->second = now;
		slot->sent = 0;
	}
	if (__sync_fetch_and_add(&slot->sent, 1) >= EVENTS_PER_SECOND) {
		__sync_fetch_and_add(&slot->limited, 1);
		return 0;
	}
	struct event *event = ring_reserve(&events, sizeof(struct event), 0);
	if (!event) {
		__sync_fetch_and_add(&slot->dropped, 1);
		return 0;
	}
	event->key = slot->key;
	event->at = now;
	event->pid = current_pid_tgid() >> 32;
	event->result = 0;
	event->kind = kind;
	event->call = 0;
	event->rule = rule;
	event->length = 0;
	current_comm(event->comm, sizeof(event->comm));
	return event;
}

INLINE u16 length_of(s64 read)
{
	/* With its terminating zero byte; negative where it could not be read. */
	return read > 0 ? (read - 1) & (TEXT - 1) : 0;
}

/* Whether a path begins with one that the agent was shown. One without a slash in front begins where the agent is.
 * That is what most of them are, so no more is read than it takes to tell. */
INLINE int is_shown(struct slot *slot, const void *user)
{
	u64 head[2] = {};
	if (read_user_str(head, sizeof(u64) + 1, user) <= 0)
		return 1;
	if ((head[0] & 0xff) != '/')
		return 1;
	for (int i = 0; i < SHOWN; i++) {
		u64 mask = slot->shown[i].mask;
		if (!mask)
			return 0;
		if ((head[0] & mask) == slot->shown[i].want)
			return 1;
	}
	return 0;
}

INLINE void opened(struct slot *slot, u32 call, s32 result, const void *user)
{
	if (is_shown(slot, user))
		return;
	struct event *event = begin(slot, KIND_OPEN);
	if (!event)
		return;
	event->call = call;
	event->result = result;
	event->length = length_of(read_user_str(event->text, TEXT, user));
	ring_submit(event, 0);
}

/* Of the two families that lead out of a machine; a Unix socket is a file, and an agent has one to ask by. */
INLINE void connected(struct slot *slot, u32 call, s32 result, const void *user, u64 length)
{
	u16 family = 0;
	if (read_user(&family, sizeof(family), user))
		return;
	u32 size = family == AF_INET ? 16 : family == AF_INET6 ? 28 : 0;
	if (!size || length < size)
		return;
	struct event *event = begin(slot, KIND_CONNECT);
	if (!event)
		return;
	event->call = call;
	event->result = result;
	event->length = read_user(event->text, size, user) ? 0 : size;
	ring_submit(event, 0);
}

INLINE void denied(struct slot *slot, u32 call, s32 result)
{
	struct event *event = begin(slot, KIND_DENIED);
	if (!event)
		return;
	event->call = call;
	event->result = result;
	ring_submit(event, 0);
}

INLINE void timed(struct slot *slot, u32 class)
{
	u32 zero = 0;
	struct settings *set = map_lookup(&settings, &zero);
	if (!set || !set->sampling_since)
		return;
	u32 id = (u32)current_pid_tgid() & ID_MASK;
	u32 at = id & (IN_FLIGHT - 1);
	u64 *entered = map_lookup(&in_flight, &at);
	if (!entered)
		return;
	u64 then = *entered;
	/* Another thread has the place, or what is there is left from an earlier sample. */
	if ((then & ID_MASK) != id || then >> ID_BITS < set->sampling_since >> UNIT_BITS)
		return;
	*entered = 0;
	u64 took = ktime_ns() - (then >> ID_BITS << UNIT_BITS);
	u32 bucket = 0;
	took >>= FIRST_BUCKET_BITS;
	for (int i = 0; i < BUCKETS - 1; i++)
		if (took >> i)
			bucket = i + 1;
	if (bucket < BUCKETS && class < CLASSES)
		__sync_fetch_and_add(&slot->latency[class][bucket], 1);
}

/* Counts a call when it ends: what it returned is known then, and what it was given is in memory. */
SEC("tp_btf/sys_exit")
int call_ended(u64 *context)
{
	struct slot *slot = slot_of(current_task());
	if (!slot)
		return 0;
	struct pt_regs *regs = (void *)context[0];
	s32 result = context[1];
	u32 call = regs->orig_ax & (CALLS - 1);
	u32 class = class_of[call];
	if (class >= CLASSES)
		return 0;
	__sync_fetch_and_add(&slot->calls[class], 1);
	timed(slot, class);
	if (result == -EPERM || result == -EACCES || result == -EROFS) {
		__sync_fetch_and_add(&slot->denied[class], 1);
		denied(slot, call, result);
	}
	if (class == OPEN) {
		u64 path = call == NR_OPEN || call == NR_CREAT ? regs->di : regs->si;
		opened(slot, call, result, (void *)path);
	} else if (call == NR_CONNECT) {
		connected(slot, call, result, (void *)regs->si, regs->dx);
	}
	return 0;
}

/* Attached only while latencies are sampled. */
SEC("tp_btf/sys_enter")
int call_began(u64 *context)
{
	if (!slot_of(current_task()))
		return 0;
	u32 id = (u32)current_pid_tgid() & ID_MASK;
	u32 at = id & (IN_FLIGHT - 1);
	u64 *entered = map_lookup(&in_flight, &at);
	if (entered)
		*entered = ktime_ns() >> UNIT_BITS << ID_BITS | id;
	return 0;
}

SEC("tp_btf/sched_process_fork")
int made(u64 *context)
{
	struct mark *parents = task_storage(&marks, (void *)context[0], 0, 0);
	if (!parents)
		return 0;
	struct mark mark = *parents;
	if (task_storage(&marks, (void *)context[1], &mark, STORAGE_CREATE))
		return 0;
	struct slot *slot = slot_of((void *)context[0]);
	if (slot)
		__sync_fetch_and_add(&slot->unfollowed, 1);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int executed(u64 *context)
{
	struct slot *slot = slot_of(current_task());
	if (!slot)
		return 0;
	struct linux_binprm *program = (void *)context[2];
	struct event *event = begin(slot, KIND_EXEC);
	if (!event)
		return 0;
	event->length = length_of(read_kernel_str(event->text, TEXT, program->filename));
	ring_submit(event, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int ended(u64 *context)
{
	struct task_struct *task = (void *)context[0];
	s32 signal = task->exit_code & 0x7f;
	if (!signal || task->pid != task->tgid)
		return 0;
	struct slot *slot = slot_of(current_task());
	if (!slot)
		return 0;
	struct event *event = begin(slot, KIND_SIGNAL);
	if (!event)
		return 0;
	event->result = signal;
	ring_submit(event, 0);
	return 0;
}

/* Whoever asks for memory chooses the victim, so that is not the task that runs. */
SEC("tp_btf/mark_victim")
int out_of_memory(u64 *context)
{
	struct task_struct *victim = (void *)context[0];
	struct slot *slot = slot_of(victim);
	if (!slot)
		return 0;
	struct event *event = begin(slot, KIND_OOM);
	if (!event)
		return 0;
	event->pid = victim->tgid;
	ring_submit(event, 0);
	return 0;
}

/* Some of the helpers are for programs under this licence alone. */
char _license[] SEC("license") = "GPL";
