/*
 * bench_yaml.c - libyaml alone: reads a file and throws its events away. `bench_yaml FILE`
 */
#include <stdbool.h>
#include <stdio.h>
#include <yaml.h>

static bool parse(FILE *file, size_t *ret_events)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return false;
    }
    yaml_parser_set_input_file(&parser, file);
    bool good = true;
    size_t events = 0;
    for (bool ended = false; good && !ended; events++) {
        yaml_event_t event;
        good = yaml_parser_parse(&parser, &event) == 1;
        if (good) {
            ended = event.type == YAML_STREAM_END_EVENT;
            yaml_event_delete(&event);
        }
    }
    yaml_parser_delete(&parser);
    *ret_events = events;
    return good;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: bench_yaml FILE\n");
        return 2;
    }
    size_t events = 0;
    bool good = parse(file, &events);
    fclose(file);
    printf("%zu events\n", events);
    return good ? 0 : 1;
}
