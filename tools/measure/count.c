/* A QEMU plugin that counts, from outside and exactly, the instructions that a machine executes, and where.
 *
 *   cc -shared -fPIC -O2 count.c -o libcount.so
 *   qemu-system-arm ... -plugin ./libcount.so,out=FILE[,at=ADDRESS]...
 *       [,vectors=ADDRESS,component=ADDRESS,guest=ADDRESS,text=FIRST-END[,gic=FIRST-END]...][,until=N]
 *
 * At the end, or at the first entry to the hypervisor after N instructions, FILE holds lines
 *   all N                  instructions
 *   at ADDRESS N           how often the one there was executed, in the order of the command line
 *   mark NUMBER times to-component to-guest component guest cp15 gic barriers
 *   pc NUMBER ADDRESS N    how often an instruction of the hypervisor was executed between the marks of that number
 *   legs NUMBER N...       instructions of components between those marks: until the first entry to the hypervisor, from there to
 *                          the next, and so on
 *   irq NUMBER N           the least from the vector of an interrupt to the end of that number, of those between which and the
 *                          mark before there was no other interrupt
 *   masked N VECTOR        the longest stretch of the hypervisor with interrupts masked, and by which vector it was entered
 *   held ADDRESS N         how often that stretch executed the instruction there
 *   end
 *
 * `vectors` are those of a hypervisor, `component` and `guest` its two ERETs, `text` its instructions, `gic` pages of its
 * interrupt controller. With them the plugin knows at each moment who runs, and sums up what is executed between marks:
 * instructions of the hypervisor until it leaves for a component and for a guest, those of components and of guests, and the
 * hypervisor's accesses to CP15 and to the interrupt controller, and its barriers.
 *
 * A stretch with interrupts masked ends where the hypervisor leaves, and where it looks whether an interrupt waits: at a read of
 * ISR, its preemption point.
 *
 * A mark is, in a guest, `pld [pc, #2048 + 2 * NUMBER]`, and at the end the same with one more: an ARM instruction that
 * changes nothing, and that no compiler writes. In a component, which is safe Rust, it is `movt REGISTER, #(0xb500 + 2 *
 * NUMBER)`. What is between the two need not be one program.
 *
 * QEMU's plugin interface (version 1) is declared here as far as it is used, since its header is in no package. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct tb;
struct insn;
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct tb *, void (*)(unsigned, void *), int flags, void *data);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct tb *);
extern struct insn *qemu_plugin_tb_get_insn(const struct tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct insn *);
extern const void *qemu_plugin_insn_data(const struct insn *);
extern size_t qemu_plugin_insn_size(const struct insn *);
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct insn *, int operation, void *counter, uint64_t add);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *, void (*)(unsigned, void *), int flags, void *data);
extern void qemu_plugin_register_vcpu_mem_cb(struct insn *, void (*)(unsigned, uint32_t, uint64_t, void *), int flags,
                                             int reads_or_writes, void *data);

#define EXPORT __attribute__((visibility("default")))
#define PLACES 8
#define RANGES 8
#define MARKS 64
#define LEGS 8
#define BLOCKS_MAX (1u << 18)
#define IRQ_VECTOR 0x18
#define TEXT_MAX (4u << 20)
EXPORT int qemu_plugin_version = 1;

struct range { uint64_t first, end; };
enum part { HYP, COMPONENT, GUEST };
struct counts { uint64_t to_component, to_guest, component, guest, cp15, gic, barriers; };
struct mark {
    uint64_t times, irq;
    bool open;
    struct counts sum, at;
    uint64_t *pcs, *pcs_at;
    uint64_t legs[LEGS], leg_at[LEGS], leg_from;
    int leg;
};
/* A piece of straight code of the hypervisor's. */
struct block { uint32_t first, count; };

static uint64_t all, places[PLACES], executed[PLACES];
static uint64_t vectors, to_component, to_guest;
static struct range text, gic[RANGES];
static int place_count, gic_count;
static bool split;
static enum part now = HYP;
static uint64_t since;
static struct counts counts;
static struct mark marks[MARKS];
static uint64_t *pcs;
static size_t pc_count;
static char *out;
static uint64_t until, irq_at, irqs;
static bool written;
/* The stretch that goes on: where it began, by which vector, and what it has executed so far; and the longest. */
static struct { uint64_t length; unsigned vector; uint32_t blocks; } longest;
static uint64_t masked_since;
static unsigned vector;
static uint32_t block_count;
static struct block *blocks, *longest_blocks;

static void write_all(void);

static bool within(struct range range, uint64_t address) { return address >= range.first && address < range.end; }

/* Books what ran since the last change to whoever ran; `last` is the counter for the hypervisor. */
static void book(uint64_t *last, enum part next) {
    *(now == HYP ? last : now == COMPONENT ? &counts.component : &counts.guest) += all - since;
    since = all;
    now = next;
}

/* A component leaves off, or a mark ends: what it has executed is a leg. */
static void end_leg(struct mark *mark) {
    int leg = mark->leg < LEGS ? mark->leg++ : LEGS - 1;
    mark->leg_at[leg] += counts.component - mark->leg_from;
    mark->leg_from = counts.component;
}

static void marked(unsigned cpu, void *data) {
    (void)cpu;
    uintptr_t code = (uintptr_t)data;
    struct mark *mark = &marks[code / 2];
    book(&counts.to_guest, now);
    if (!mark->pcs) {
        mark->pcs = calloc(pc_count + 1, sizeof *pcs);
        mark->pcs_at = calloc(pc_count + 1, sizeof *pcs);
        if (!mark->pcs || !mark->pcs_at) abort();
    }
    if (code % 2 == 0) {
        mark->open = true;
        mark->at = counts;
        mark->leg = 0;
        mark->leg_from = counts.component;
        memset(mark->leg_at, 0, sizeof mark->leg_at);
        memcpy(mark->pcs_at, pcs, pc_count * sizeof *pcs);
        return;
    }
    if (irqs == 1 && (!mark->irq || all - irq_at < mark->irq)) mark->irq = all - irq_at;
    irqs = 0;
    if (mark->open) {
        uint64_t *sum = (uint64_t *)&mark->sum, *from = (uint64_t *)&mark->at, *to = (uint64_t *)&counts;
        mark->open = false;
        mark->times++;
        end_leg(mark);
        for (int n = 0; n < LEGS; n++) mark->legs[n] += mark->leg_at[n];
        for (size_t n = 0; n < sizeof counts / sizeof *sum; n++) sum[n] += to[n] - from[n];
        for (size_t n = 0; n < pc_count; n++) mark->pcs[n] += pcs[n] - mark->pcs_at[n];
    }
}

/* A stretch with interrupts masked ends. The one before the hypervisor has first left is its boot. */
static void unmasked(void) {
    uint64_t length = all - masked_since;
    if (masked_since && length > longest.length) {
        longest.length = length;
        longest.vector = vector;
        longest.blocks = block_count;
        memcpy(longest_blocks, blocks, block_count * sizeof *blocks);
    }
    masked_since = 0;
}

static void masked(void) {
    masked_since = all;
    block_count = 0;
}

static void entered(unsigned cpu, void *data) {
    (void)cpu;
    if (now == HYP) return;
    if (until && all >= until && !written) write_all();
    bool component = now == COMPONENT;
    book(&counts.to_guest, HYP);
    for (int n = 0; component && n < MARKS; n++)
        if (marks[n].open) end_leg(&marks[n]);
    vector = (unsigned)(uintptr_t)data;
    if (vector == IRQ_VECTOR) {
        irq_at = all;
        irqs++;
    }
    masked();
}

static void looked(unsigned cpu, void *data) {
    (void)cpu, (void)data;
    if (!masked_since) return;
    unmasked();
    masked();
}

static void left_for_component(unsigned cpu, void *data) {
    (void)cpu, (void)data;
    unmasked();
    if (now == HYP) book(&counts.to_component, COMPONENT);
}

static void left_for_guest(unsigned cpu, void *data) {
    (void)cpu, (void)data;
    unmasked();
    if (now == HYP) book(&counts.to_guest, GUEST);
}

static void block_runs(unsigned cpu, void *data) {
    (void)cpu;
    uintptr_t block = (uintptr_t)data;
    if (masked_since && block_count < BLOCKS_MAX)
        blocks[block_count++] = (struct block){ .first = (uint32_t)(block >> 12), .count = (uint32_t)(block & 0xfff) };
}

static void marked_by_component(unsigned cpu, void *data) { if (now == COMPONENT) marked(cpu, data); }

static void accessed(unsigned cpu, uint32_t info, uint64_t address, void *data) {
    (void)cpu, (void)info, (void)data;
    for (int n = 0; n < gic_count; n++) counts.gic += within(gic[n], address);
}

/* MRC p15, 0, Rt, c12, c1, 0: ISR, which says whether an interrupt waits. */
static bool is_look(uint32_t code) { return (code & 0x0fff0fff) == 0x0e1c0f11; }

/* MCR, MRC, MCRR and MRRC of coprocessor 15. */
static bool is_cp15(uint32_t code) {
    return code >> 28 != 15 && (code & 0xf00) == 0xf00 && ((code & 0x0f000010) == 0x0e000010 || (code & 0x0fe00000) == 0x0c400000);
}

/* DSB, DMB and ISB, of ARMv7 and as accesses to CP15 (those count as both). */
static bool is_barrier(uint32_t code) {
    uint32_t old = code & 0x0fff0fff;
    return ((code & 0xffffff00) == 0xf57ff000 && ((code >> 4 & 15) == 4 || (code >> 4 & 15) == 5 || (code >> 4 & 15) == 6))
        || (code >> 28 != 15 && (old == 0x0e070f95 || old == 0x0e070f9a || old == 0x0e070fba));
}

static void translated(plugin_id id, struct tb *tb) {
    (void)id;
    size_t length = qemu_plugin_tb_n_insns(tb);
    uint64_t start = length ? qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)) : 0;
    if (split && length && within(text, start))
        qemu_plugin_register_vcpu_tb_exec_cb(tb, block_runs, 0, (void *)(uintptr_t)((start - text.first) / 4 << 12 | length));
    for (size_t n = 0; n < length; n++) {
        struct insn *insn = qemu_plugin_tb_get_insn(tb, n);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        uint32_t code = 0;
        qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &all, 1);
        for (int place = 0; place < place_count; place++)
            if (address == places[place]) qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &executed[place], 1);
        if (!split || qemu_plugin_insn_size(insn) != sizeof code) continue;
        memcpy(&code, qemu_plugin_insn_data(insn), sizeof code);
        if ((code & 0xfffff800) == 0xf5dff800 && (code & 0x7ff) < 2 * MARKS)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, 0, (void *)(uintptr_t)(code & 0x7ff));
        uint32_t upper = (code >> 4 & 0xf000) | (code & 0xfff);
        if ((code & 0xfff00000) == 0xe3400000 && upper - 0xb500 < 2 * MARKS)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, marked_by_component, 0, (void *)(uintptr_t)(upper - 0xb500));
        if (!within(text, address)) continue;
        if (is_cp15(code)) qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &counts.cp15, 1);
        if (is_barrier(code)) qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &counts.barriers, 1);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &pcs[(address - text.first) / 4], 1);
        if (gic_count) qemu_plugin_register_vcpu_mem_cb(insn, accessed, 0, 3, NULL);
        if (address >= vectors && address < vectors + 32)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, entered, 0, (void *)(uintptr_t)(address - vectors));
        if (is_look(code)) qemu_plugin_register_vcpu_insn_exec_cb(insn, looked, 0, NULL);
        if (address == to_component) qemu_plugin_register_vcpu_insn_exec_cb(insn, left_for_component, 0, NULL);
        if (address == to_guest) qemu_plugin_register_vcpu_insn_exec_cb(insn, left_for_guest, 0, NULL);
    }
}

static void write_stretch(FILE *file) {
    fprintf(file, "masked %" PRIu64 " %#x\n", longest.length, longest.vector);
    memset(pcs, 0, pc_count * sizeof *pcs);
    for (uint32_t n = 0; n < longest.blocks; n++)
        for (uint32_t k = 0; k < longest_blocks[n].count; k++)
            if (longest_blocks[n].first + k < pc_count) pcs[longest_blocks[n].first + k]++;
    for (size_t k = 0; k < pc_count; k++)
        if (pcs[k]) fprintf(file, "held %#" PRIx64 " %" PRIu64 "\n", text.first + 4 * k, pcs[k]);
}

static void write_all(void) {
    FILE *file = out ? fopen(out, "w") : stderr;
    if (!file || written) return;
    written = true;
    fprintf(file, "all %" PRIu64 "\n", all);
    for (int n = 0; n < place_count; n++) fprintf(file, "at %#" PRIx64 " %" PRIu64 "\n", places[n], executed[n]);
    for (int n = 0; n < MARKS; n++) {
        if (marks[n].irq) fprintf(file, "irq %d %" PRIu64 "\n", n, marks[n].irq);
        if (!marks[n].times) continue;
        fprintf(file, "mark %d %" PRIu64, n, marks[n].times);
        const uint64_t *sum = (const uint64_t *)&marks[n].sum;
        for (size_t k = 0; k < sizeof counts / sizeof *sum; k++) fprintf(file, " %" PRIu64, sum[k]);
        fprintf(file, "\nlegs %d", n);
        for (int k = 0; k < LEGS; k++) fprintf(file, " %" PRIu64, marks[n].legs[k]);
        fprintf(file, "\n");
        for (size_t k = 0; k < pc_count; k++)
            if (marks[n].pcs[k]) fprintf(file, "pc %d %#" PRIx64 " %" PRIu64 "\n", n, text.first + 4 * k, marks[n].pcs[k]);
    }
    if (split) write_stretch(file);
    fprintf(file, "end\n");
    if (out) fclose(file);
}

static void ended(plugin_id id, void *data) {
    (void)id, (void)data;
    write_all();
}

static bool read_range(const char *words, struct range *range) {
    return sscanf(words, "%" SCNi64 "-%" SCNi64, (int64_t *)&range->first, (int64_t *)&range->end) == 2 && range->first < range->end;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info;
    for (int n = 0; n < argc; n++) {
        char *value = strchr(argv[n], '=');
        if (!value) return -1;
        size_t length = (size_t)(value++ - argv[n]);
        bool known = true;
        #define IS(name) (length == strlen(name) && !strncmp(argv[n], name, length))
        if (IS("out")) out = strdup(value);
        else if (IS("at") && place_count < PLACES) places[place_count++] = strtoull(value, NULL, 0);
        else if (IS("until")) until = strtoull(value, NULL, 0);
        else if (IS("vectors")) vectors = strtoull(value, NULL, 0);
        else if (IS("component")) to_component = strtoull(value, NULL, 0);
        else if (IS("guest")) to_guest = strtoull(value, NULL, 0);
        else if (IS("text")) known = split = read_range(value, &text) && text.end - text.first <= TEXT_MAX;
        else if (IS("gic") && gic_count < RANGES) known = read_range(value, &gic[gic_count++]);
        else known = false;
        if (!known) {
            fprintf(stderr, "count: %s is not understood\n", argv[n]);
            return -1;
        }
    }
    if (split) {
        pc_count = (text.end - text.first) / 4;
        pcs = calloc(pc_count + 1, sizeof *pcs);
        blocks = calloc(BLOCKS_MAX, sizeof *blocks);
        longest_blocks = calloc(BLOCKS_MAX, sizeof *blocks);
        if (!pcs || !blocks || !longest_blocks) return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
