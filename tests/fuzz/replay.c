/*
 * replay.c - runs a fuzz target over the files of the folders named on the command line, without
 * libFuzzer.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    size_t ran = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (dir == NULL) {
            fprintf(stderr, "%s: no such corpus folder\n", argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            if (entry->d_name[0] == '.') {
                continue;
            }
            AUTO_FREE char *path = mem_printf("%s/%s", argv[i], entry->d_name);
            AUTO_BUF struct buf text = BUF_INIT(64U << 20);
            struct err err = ERR_INIT;
            if (!file_read(path, &text, &err)) {
                fprintf(stderr, "%s\n", err.msg);
                closedir(dir);
                return 1;
            }
            LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&text), text.len);
            ran++;
        }
        closedir(dir);
    }
    printf("%zu inputs\n", ran);
    return ran > 0 ? 0 : 1;
}
