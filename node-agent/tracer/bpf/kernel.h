/* What the programs need of the kernel: types by field name, which the loader finds in the running kernel's own
 * description of itself (BTF), and helpers by their number, which is ABI. Nothing else may enter. */
#ifndef AION_KERNEL_H
#define AION_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define BY_NAME __attribute__((preserve_access_index))

enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_RINGBUF = 27,
	MAP_TASK_STORAGE = 29,
	NO_PREALLOC = 1,
	STORAGE_CREATE = 1,
};

struct pt_regs {
	unsigned long r10, r8, dx, si, di, orig_ax;
} BY_NAME;

struct task_struct {
	s32 pid;
	s32 tgid;
	s32 exit_code;
} BY_NAME;

struct linux_binprm {
	const char *filename;
} BY_NAME;

struct file {
	struct path {
		void *dentry;
	} f_path;
} BY_NAME;

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static u64 (*ktime_ns)(void) = (void *)5;
static u64 (*current_pid_tgid)(void) = (void *)14;
static s64 (*current_comm)(void *to, u32 size) = (void *)16;
static s64 (*send_signal)(u32 signal) = (void *)109;
static s64 (*read_user)(void *to, u32 size, const void *from) = (void *)112;
static s64 (*read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static s64 (*read_user_str)(void *to, u32 size, const void *from) = (void *)114;
static s64 (*read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static void *(*ring_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*ring_submit)(void *at, u64 flags) = (void *)132;
static s64 (*path_of)(struct path *path, char *to, u32 size) = (void *)147;
static void *(*task_storage)(void *map, struct task_struct *task, const void *initial, u64 flags) = (void *)156;
static struct task_struct *(*current_task)(void) = (void *)158;

#endif
