/* System calls of x86-64 by what they are for. src/layout.rs names the classes. */
#ifndef AION_CLASSES_H
#define AION_CLASSES_H

#include "kernel.h"

enum {
	OTHER, READ, WRITE, OPEN, CLOSE, STAT, NAMES, MEMORY, PROCESS, NETWORK, WAIT, SYNC,
	CALLS = 512,
	NR_OPEN = 2,
	NR_CONNECT = 42,
	NR_EXECVE = 59,
	NR_CREAT = 85,
	NR_OPENAT = 257,
	NR_EXECVEAT = 322,
	NR_OPENAT2 = 437,
};

static const u8 class_of[CALLS] = {
	[0] = READ, [17] = READ, [19] = READ, [78] = READ, [217] = READ, [295] = READ, [327] = READ, [187] = READ,
	[1] = WRITE, [18] = WRITE, [20] = WRITE, [40] = WRITE, [275] = WRITE, [285] = WRITE, [296] = WRITE,
	[326] = WRITE, [328] = WRITE, [76 ... 77] = WRITE,
	[NR_OPEN] = OPEN, [NR_CREAT] = OPEN, [NR_OPENAT] = OPEN, [NR_OPENAT2] = OPEN,
	[3] = CLOSE, [436] = CLOSE,
	[4 ... 6] = STAT, [8] = STAT, [21] = STAT, [72] = STAT, [79] = STAT, [89] = STAT, [137 ... 138] = STAT,
	[262] = STAT, [267] = STAT, [269] = STAT, [332] = STAT, [439] = STAT,
	[80 ... 84] = NAMES, [86 ... 88] = NAMES, [90 ... 94] = NAMES, [133] = NAMES, [161] = NAMES, [165 ... 166] = NAMES,
	[258 ... 261] = NAMES, [263 ... 266] = NAMES, [268] = NAMES, [280] = NAMES, [316] = NAMES, [452] = NAMES,
	[9 ... 12] = MEMORY, [25] = MEMORY, [27 ... 31] = MEMORY, [319] = MEMORY,
	[39] = PROCESS, [56 ... 60] = PROCESS, [62] = PROCESS, [101 ... 126] = PROCESS, [157 ... 158] = PROCESS,
	[186] = PROCESS, [200] = PROCESS, [231] = PROCESS, [234] = PROCESS, [322] = PROCESS, [434 ... 435] = PROCESS,
	[41 ... 55] = NETWORK, [288] = NETWORK, [299] = NETWORK, [307] = NETWORK,
	[7] = WAIT, [23 ... 24] = WAIT, [34 ... 35] = WAIT, [61] = WAIT, [202] = WAIT, [213] = WAIT, [230] = WAIT,
	[232 ... 233] = WAIT, [247] = WAIT, [270 ... 271] = WAIT, [281] = WAIT, [290 ... 291] = WAIT, [441] = WAIT,
	[449] = WAIT,
	[26] = SYNC, [74 ... 75] = SYNC, [162] = SYNC, [277] = SYNC, [306] = SYNC,
};

#endif
