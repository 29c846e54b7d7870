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

/* What rules let through. */
struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, ALLOWED);
	__type(key, struct allowed);
	__type(value, u32);
} allowed SEC(".maps");

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
	/* 127.0.0.0/8 and 198.18.0.0/15 by their first two bytes: the agent's own, and what stands for names. */
	LOOPBACK = 127,
	FOR_NAMES = 198,
	FOR_NAMES_NEXT = 18,
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

INLINE u32 rule_of(struct slot *slot, u32 kind)
{
	return slot->rules >> (2 * kind) & 3;
}

/* Begins an event, within the agent's bound, and does what the rule says that it broke, if any. Whoever gets one
 * submits it. A kill is told beyond the bound, too. */
INLINE struct event *begin(struct slot *slot, u32 kind, u32 rule)
{
	u64 now = ktime_ns();
	if (rule)
		__sync_fetch_and_add(&slot->broken[kind & (KINDS - 1)], 1);
	if (rule == ACT_KILL)
		send_signal(SIGKILL);
	__sync_fetch_and_add(&slot->events[kind & (KINDS - 1)], 1);
	/* Two threads at the turn of a second may each begin it: the bound is not exact. */
	if (now - slot->second > SECOND) {
		slot->second = now;
		slot->sent = 0;
	}
	if (__sync_fetch_and_add(&slot->sent, 1) >= EVENTS_PER_SECOND && rule != ACT_KILL) {
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

/* Whether a hook refuses what breaks the rule for this kind, and has told of it. */
INLINE int refused_by_hook(struct slot *slot, u32 kind, s32 result)
{
	return result == -EPERM && slot->manner & HOOKED && rule_of(slot, kind) >= ACT_DENY;
}

/* The rule that a call broke by what it was given. Where there is a hook it had the first word, by what was really
 * opened or connected to; what was not there did not come to it. */
INLINE u32 broken_at_end(struct slot *slot, u32 kind, s32 result)
{
	u32 rule = rule_of(slot, kind);
	return result >= 0 && slot->manner & HOOKED && rule >= ACT_DENY ? 0 : rule;
}

INLINE u16 length_of(s64 read)
{
	/* With its terminating zero byte; negative where it could not be read. */
	return read > 0 ? (read - 1) & (TEXT - 1) : 0;
}

INLINE int begins(struct shown *with, u64 head)
{
	for (int i = 0; i < SHOWN; i++) {
		u64 mask = with[i].mask;
		if (!mask)
			return 0;
		if ((head & mask) == with[i].want)
			return 1;
	}
	return 0;
}

/* Whether a path that begins so was shown to the agent. One without a slash in front begins where the agent is. */
INLINE int is_shown(struct slot *slot, u64 head)
{
	if ((head & 0xff) != '/')
		return 1;
	return begins(slot->shown, head) && !begins(slot->hidden, head);
}

INLINE void opened(struct slot *slot, u32 call, s32 result, const void *user)
{
	/* Most paths are shown, so no more is read than it takes to tell. */
	u64 head[2] = {};
	if (read_user_str(head, sizeof(u64) + 1, user) <= 0 || is_shown(slot, head[0]))
		return;
	if (refused_by_hook(slot, KIND_OPEN, result))
		return;
	struct event *event = begin(slot, KIND_OPEN, broken_at_end(slot, KIND_OPEN, result));
	if (!event)
		return;
	event->call = call;
	event->result = result;
	event->length = length_of(read_user_str(event->text, TEXT, user));
	ring_submit(event, 0);
}

/* Where a connection is to: a sockaddr_in or a sockaddr_in6, as they begin. */
struct to {
	u16 family;
	u8 port[2];
	u8 four[4];
	u8 six[16];
};

/* How much of it is one, by its family: of the two that lead out of a machine. A Unix socket is a file, and an agent
 * has one to ask by. Of version six the kernel takes what has no scope at its end, too. */
INLINE u32 size_of(u16 family, u64 length)
{
	u32 size = family == AF_INET ? 16 : family == AF_INET6 ? 24 : 0;
	return length < size ? 0 : size;
}

INLINE int is_granted(struct slot *slot, struct to *to)
{
	struct allowed sought = {.key = slot->key, .kind = KIND_CONNECT};
	u8 *six = (u8 *)sought.what;
	if (to->family == AF_INET6) {
		__builtin_memcpy(six, to->six, 16);
	} else {
		six[10] = six[11] = 0xff;
		__builtin_memcpy(six + 12, to->four, 4);
	}
	u64 *half = (u64 *)six;
	u32 *quarter = (u32 *)six;
	int is_four = !half[0] && quarter[2] == 0xffff0000;
	int is_own = is_four ? six[12] == LOOPBACK || !quarter[3]
			     : !half[0] && !quarter[2] && (!quarter[3] || quarter[3] == 0x01000000);
	if (is_own && slot->manner & OWN_LOOPBACK)
		return 1;
	if (is_four && six[12] == FOR_NAMES && (six[13] & 0xfe) == FOR_NAMES_NEXT) {
		six[13] = FOR_NAMES_NEXT;
		six[14] = six[15] = 0;
	}
	sought.what[16] = to->port[0];
	sought.what[17] = to->port[1];
	return map_lookup(&allowed, &sought) != 0;
}

INLINE void connected(struct slot *slot, u32 call, s32 result, const void *user, u64 length)
{
	struct to to = {};
	if (read_user(&to.family, sizeof(to.family), user))
		return;
	u32 size = size_of(to.family, length);
	if (!size || refused_by_hook(slot, KIND_CONNECT, result))
		return;
	u32 rule = broken_at_end(slot, KIND_CONNECT, result);
	if (rule && !read_user(&to, size, user) && is_granted(slot, &to))
		rule = 0;
	struct event *event = begin(slot, KIND_CONNECT, rule);
	if (!event)
		return;
	event->call = call;
	event->result = result;
	event->length = read_user(event->text, size, user) ? 0 : size;
	ring_submit(event, 0);
}

/* The rule that is broken by executing another program than the agent's own. */
INLINE u32 broken_by(struct slot *slot, const char *program)
{
	u32 rule = rule_of(slot, KIND_EXEC);
	if (!rule || slot->own)
		return 0;
	struct allowed sought = {.key = slot->key, .kind = KIND_EXEC};
	if (read_kernel_str(sought.what, WHAT, program) <= 0)
		return rule;
	return map_lookup(&allowed, &sought) ? 0 : rule;
}

INLINE void denied(struct slot *slot, u32 call, s32 result)
{
	struct event *event = begin(slot, KIND_DENIED, 0);
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
		u32 kind = class == OPEN ? KIND_OPEN
			 : call == NR_CONNECT ? KIND_CONNECT
			 : call == NR_EXECVE || call == NR_EXECVEAT ? KIND_EXEC : 0;
		__sync_fetch_and_add(&slot->denied[class], 1);
		if (!refused_by_hook(slot, kind, result))
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
	u32 rule = broken_by(slot, program->filename);
	/* Before there is a program of its own there is one thread alone. */
	if (slot->own)
		slot->own--;
	struct event *event = begin(slot, KIND_EXEC, rule);
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
	struct event *event = begin(slot, KIND_SIGNAL, 0);
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
	struct event *event = begin(slot, KIND_OOM, 0);
	if (!event)
		return 0;
	event->pid = victim->tgid;
	ring_submit(event, 0);
	return 0;
}

/* The hooks of BPF LSM, where the kernel has them, refuse before anything is done. An earlier refusal stands. */

SEC("lsm/bprm_check_security")
int executing(u64 *context)
{
	struct linux_binprm *program = (void *)context[0];
	s32 earlier = context[1];
	struct slot *slot = slot_of(current_task());
	if (earlier || !slot || rule_of(slot, KIND_EXEC) < ACT_DENY)
		return earlier;
	u32 rule = broken_by(slot, program->filename);
	if (!rule)
		return 0;
	struct event *event = begin(slot, KIND_EXEC, rule);
	if (event) {
		event->result = -EPERM;
		event->length = length_of(read_kernel_str(event->text, TEXT, program->filename));
		ring_submit(event, 0);
	}
	return -EPERM;
}

SEC("lsm/file_open")
int opening(u64 *context)
{
	struct file *file = (void *)context[0];
	s32 earlier = context[1];
	struct slot *slot = slot_of(current_task());
	u32 rule = slot ? rule_of(slot, KIND_OPEN) : 0;
	if (earlier || !slot || rule < ACT_DENY)
		return earlier;
	u64 path[TEXT / sizeof(u64)] = {};
	s64 length = path_of(&file->f_path, (char *)path, TEXT);
	/* What is hidden has a short path. */
	if (length < 0 && slot->shown[0].mask == 0xff)
		return 0;
	if (length >= 0 && is_shown(slot, path[0]))
		return 0;
	struct event *event = begin(slot, KIND_OPEN, rule);
	if (event) {
		event->result = -EPERM;
		event->length = length_of(length);
		__builtin_memcpy(event->text, path, TEXT);
		ring_submit(event, 0);
	}
	return -EPERM;
}

SEC("lsm/socket_connect")
int connecting(u64 *context)
{
	const void *address = (void *)context[1];
	s32 length = context[2];
	s32 earlier = context[3];
	struct slot *slot = slot_of(current_task());
	u32 rule = slot ? rule_of(slot, KIND_CONNECT) : 0;
	if (earlier || !slot || rule < ACT_DENY)
		return earlier;
	struct to to = {};
	if (length < 2 || read_kernel(&to.family, sizeof(to.family), address))
		return 0;
	u32 size = size_of(to.family, length);
	if (!size || read_kernel(&to, size, address) || is_granted(slot, &to))
		return 0;
	struct event *event = begin(slot, KIND_CONNECT, rule);
	if (event) {
		event->call = NR_CONNECT;
		event->result = -EPERM;
		event->length = read_kernel(event->text, size, address) ? 0 : size;
		ring_submit(event, 0);
	}
	return -EPERM;
}

/* Some of the helpers are for programs under this licence alone. */
char _license[] SEC("license") = "GPL";
