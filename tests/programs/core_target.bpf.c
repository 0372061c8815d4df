// SPDX-License-Identifier: Apache-2.0
// The types core_kinds.bpf.c is relocated against: the same names, another layout.

typedef int (*compare_fn)(const void *, const void *);

struct inner {
	long filler;
	short b;
	int a;
};

struct subject {
	long filler;
	long renamed;
	int moved;
	int first;
	struct {
		struct inner in[4];
		struct {
			union {
				long whole;
				int half[2];
			};
		};
	};
	unsigned long pad : 30;
	unsigned long low : 7;
	signed long high : 9;
	unsigned char byte;
	unsigned long grown;
	long grown_signed;
	void *pointer;
	compare_fn compare;
	char name[16];
	struct inner tail[];
};

struct shape {
	long x0;
	int y, x;
};

struct narrower {
	long x;
};

union either {
	long b;
	int a;
	char c;
};

typedef struct {
	int x;
	int more;
} anonymous_t;

typedef int (*callback_t)(struct shape *, int);

enum color { RED = 10, GREEN = 20 };
enum big { SMALL = 3, BIG = 1ULL << 41 };
enum negative { MINUS = -50, PLUS = 5 };

struct subject *subject;
struct shape *shape;
struct narrower *narrower;
union either *either;
anonymous_t *anonymous;
callback_t callback;
enum color color;
enum big big;
enum negative negative;
struct inner *inner;
