/* A QEMU plugin that counts, from outside and exactly, the instructions that a machine executes, and how often it
 * executes those at given addresses.
 *
 *   cc -shared -fPIC -O2 count.c -o libcount.so
 *   qemu-system-arm ... -plugin ./libcount.so,out=FILE,at=0x40201234,at=...
 *
 * At the end FILE holds one number a line: all instructions, then one line for each `at`, in order.
 * QEMU's plugin interface (version 1) is declared here as far as it is used, since its header is in no package. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct tb;
struct insn;
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct tb *));
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct tb *);
extern struct insn *qemu_plugin_tb_get_insn(const struct tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct insn *);
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct insn *, int operation, void *counter, uint64_t add);

#define EXPORT __attribute__((visibility("default")))
#define PLACES 8
EXPORT int qemu_plugin_version = 1;

static uint64_t all, places[PLACES], counts[PLACES];
static int count;
static char *out;

static void translated(plugin_id id, struct tb *tb) {
    (void)id;
    for (size_t n = 0; n < qemu_plugin_tb_n_insns(tb); n++) {
        struct insn *insn = qemu_plugin_tb_get_insn(tb, n);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &all, 1);
        for (int place = 0; place < count; place++)
            if (qemu_plugin_insn_vaddr(insn) == places[place])
                qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &counts[place], 1);
    }
}

static void ended(plugin_id id, void *data) {
    (void)id, (void)data;
    FILE *file = out ? fopen(out, "w") : stderr;
    if (!file) return;
    fprintf(file, "%" PRIu64 "\n", all);
    for (int place = 0; place < count; place++) fprintf(file, "%" PRIu64 "\n", counts[place]);
    if (out) fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info;
    for (int n = 0; n < argc; n++) {
        if (!strncmp(argv[n], "out=", 4)) out = strdup(argv[n] + 4);
        else if (!strncmp(argv[n], "at=", 3) && count < PLACES) places[count++] = strtoull(argv[n] + 3, NULL, 0);
        else return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
