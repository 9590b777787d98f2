/*
 * node.c - from libyaml's events to nodes.
 *
 * node_parse() asks libyaml for one event after the other and hands each to its row of `handlers`.
 * Open lists and mappings are frames; their children wait on one stack and are copied into the
 * arena when the end event comes. Depth and the number of nodes, aliases expanded, are bounded
 * before anything is allocated, so an alias bomb costs no more than the text it is written in.
 */
#include "dag/node.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "dag/node_build.h"

#include <string.h>
#include <uthash.h>
#include <yaml.h>

struct anchor {
    char *name;
    struct dag_node node;
    bool open; /* its own content is still being read */
    UT_hash_handle hh;
};

struct frame {
    struct dag_node node; /* count and items are set at its end */
    size_t first;         /* its first child on the stack */
    struct anchor *anchor;
};

struct builder {
    struct arena *arena;
    const struct node_source *src;
    struct diags *diags;
    yaml_parser_t yaml;
    size_t index, byte; /* the same place in code points and in bytes */
    struct dag_node *stack;
    size_t count, cap;
    struct frame frames[LIMIT_YAML_DEPTH];
    size_t depth;
    struct anchor *anchors;
    uint32_t total;
    unsigned documents;
    bool done;
    struct dag_node root;
};

/* libyaml counts code points; marks go forward but for a few steps back at empty scalars. */
static uint32_t byte_at(struct builder *b, size_t index)
{
    const char *text = b->src->text;
    if (b->src->ascii) {
        return (uint32_t)(index < b->src->len ? index : b->src->len);
    }
    while (b->index < index && b->byte < b->src->len) {
        b->byte++;
        while (b->byte < b->src->len && ((unsigned char)text[b->byte] & 0xc0U) == 0x80U) {
            b->byte++;
        }
        b->index++;
    }
    while (b->index > index) {
        b->byte--;
        while (((unsigned char)text[b->byte] & 0xc0U) == 0x80U) {
            b->byte--;
        }
        b->index--;
    }
    return (uint32_t)b->byte;
}

/* The place of an event stands on its anchor or tag; what is written there begins behind them. */
static void skip_properties(const struct builder *b, struct dag_node *node)
{
    const char *text = b->src->text;
    size_t at = node->offset;
    while (at < b->src->len) {
        if (text[at] == '&' || text[at] == '!') {
            while (at < b->src->len && strchr(" \t\r\n", text[at]) == NULL) {
                node->column += ((unsigned char)text[at++] & 0xc0U) != 0x80U;
            }
        } else if (text[at] == ' ' || text[at] == '\t' || text[at] == '\r') {
            at++;
            node->column++;
        } else if (text[at] == '\n') {
            at++;
            node->line++;
            node->column = 1;
        } else if (text[at] == '#') {
            while (at < b->src->len && text[at] != '\n') {
                at++;
            }
        } else {
            break;
        }
    }
    node->offset = (uint32_t)at;
}

static bool count_nodes(struct builder *b, const struct dag_node *node)
{
    b->total += node->weight; /* each is at most the limit, so the sum cannot wrap */
    if (b->total <= LIMIT_YAML_NODES) {
        return true;
    }
    return diag_add(b->diags, DIAG_ERROR, "too-large", node_pos(node), 1,
                    "Anchors that repeat anchors multiply; write the data to a file of its own.",
                    "the document has more than %ld values with its aliases expanded",
                    (long)LIMIT_YAML_NODES);
}

static bool too_deep(struct builder *b, const struct dag_node *node)
{
    return diag_add(b->diags, DIAG_ERROR, "too-deep", node_pos(node), 1, NULL,
                    "lists and mappings are nested more than %d levels deep", LIMIT_YAML_DEPTH);
}

static bool add_child(struct builder *b, const struct dag_node *node)
{
    if (b->depth == 0) {
        b->root = *node;
        return true;
    }
    if (b->depth + node->height > LIMIT_YAML_DEPTH) {
        return too_deep(b, node);
    }
    if (b->count == b->cap) {
        b->cap = b->cap > 0 ? b->cap * 2 : 256;
        b->stack = mem_grow(b->stack, b->cap, sizeof *b->stack);
    }
    b->stack[b->count++] = *node;
    return true;
}

static struct anchor *find_anchor(const struct builder *b, const char *name)
{
    struct anchor *found = NULL;
    HASH_FIND_STR(b->anchors, name, found);
    return found;
}

static struct anchor *open_anchor(struct builder *b, const yaml_char_t *yaml_name)
{
    const char *name = (const char *)yaml_name;
    struct anchor *anchor = find_anchor(b, name);
    if (anchor == NULL) {
        anchor = mem_alloc(sizeof *anchor);
        anchor->name = mem_strdup(name);
        HASH_ADD_KEYPTR(hh, b->anchors, anchor->name, strlen(anchor->name), anchor);
    }
    anchor->open = true;
    return anchor;
}

static void close_anchor(struct anchor *anchor, const struct dag_node *node)
{
    if (anchor != NULL) {
        anchor->node = *node;
        anchor->open = false;
    }
}

static struct dag_node make_node(struct builder *b, const yaml_event_t *event, enum node_kind kind,
                                 bool has_properties)
{
    struct dag_node node = {
        .offset = byte_at(b, event->start_mark.index),
        .line = (uint32_t)event->start_mark.line + 1,
        .column = (uint32_t)event->start_mark.column + 1,
        .weight = 1,
        .kind = (uint8_t)kind,
    };
    if (has_properties) {
        skip_properties(b, &node);
    }
    return node;
}

/* Only the tags that say what the document says anyway. */
static bool check_tag(struct builder *b, const yaml_char_t *tag, const char *fitting,
                      const struct dag_node *node)
{
    if (tag == NULL || strcmp((const char *)tag, "!") == 0 ||
        strcmp((const char *)tag, fitting) == 0) {
        return true;
    }
    return diag_add(b->diags, DIAG_ERROR, "yaml-tag", node_pos(node), node_width(node),
                    "Remove the tag; quotes make a value a string.",
                    "the tag `%s` is not used here", (const char *)tag);
}

static bool on_scalar(struct builder *b, const yaml_event_t *event)
{
    static const uint8_t styles[] = {
        [YAML_ANY_SCALAR_STYLE] = NODE_PLAIN,
        [YAML_PLAIN_SCALAR_STYLE] = NODE_PLAIN,
        [YAML_SINGLE_QUOTED_SCALAR_STYLE] = NODE_SINGLE,
        [YAML_DOUBLE_QUOTED_SCALAR_STYLE] = NODE_DOUBLE,
        [YAML_LITERAL_SCALAR_STYLE] = NODE_LITERAL,
        [YAML_FOLDED_SCALAR_STYLE] = NODE_FOLDED,
    };
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    struct dag_node node =
        make_node(b, event, NODE_SCALAR, event->data.scalar.anchor || event->data.scalar.tag);
    node.style = styles[event->data.scalar.style];
    node.string = event->data.scalar.tag != NULL;
    node.count = (uint32_t)len;
    if (memchr(text, '\0', len) != NULL) {
        return diag_add(b->diags, DIAG_ERROR, "character", node_pos(&node), 1, NULL,
                        "a text cannot hold the character \\0");
    }
    node.u.text = arena_strndup(b->arena, text, len);
    if (!check_tag(b, event->data.scalar.tag, YAML_STR_TAG, &node)) {
        return false;
    }
    if (event->data.scalar.anchor != NULL) {
        close_anchor(open_anchor(b, event->data.scalar.anchor), &node);
    }
    return count_nodes(b, &node) && add_child(b, &node);
}

static bool unknown_alias(struct builder *b, const char *name, const struct dag_node *at)
{
    size_t count = 0;
    const char **names = mem_array(HASH_COUNT(b->anchors) + 1U, sizeof *names);
    for (struct anchor *anchor = b->anchors; anchor != NULL; anchor = anchor->hh.next) {
        names[count++] = anchor->name;
    }
    const char *near = text_nearest(name, names, count);
    AUTO_FREE char *hint = near != NULL ? mem_printf("Did you mean `*%s`?", near) : NULL;
    free(names);
    return diag_add(b->diags, DIAG_ERROR, "yaml-alias", node_pos(at),
                    1 + (unsigned)text_utf8_count(name, strlen(name)), hint,
                    "there is no anchor `&%s` before this place", name);
}

static bool on_alias(struct builder *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct dag_node at = make_node(b, event, NODE_SCALAR, false);
    const struct anchor *anchor = find_anchor(b, name);
    if (anchor == NULL) {
        return unknown_alias(b, name, &at);
    }
    if (anchor->open) {
        return diag_add(b->diags, DIAG_ERROR, "yaml-alias", node_pos(&at), 1, NULL,
                        "the alias `*%s` stands inside its own anchor", name);
    }
    at.weight = anchor->node.weight;
    return count_nodes(b, &at) && add_child(b, &anchor->node);
}

static bool open_frame(struct builder *b, struct dag_node node, const yaml_char_t *anchor)
{
    if (b->depth == LIMIT_YAML_DEPTH) {
        return too_deep(b, &node);
    }
    b->frames[b->depth++] = (struct frame){
        .node = node,
        .first = b->count,
        .anchor = anchor != NULL ? open_anchor(b, anchor) : NULL,
    };
    return count_nodes(b, &node);
}

static bool on_list_start(struct builder *b, const yaml_event_t *event)
{
    const yaml_char_t *anchor = event->data.sequence_start.anchor;
    const yaml_char_t *tag = event->data.sequence_start.tag;
    struct dag_node node = make_node(b, event, NODE_LIST, anchor || tag);
    return check_tag(b, tag, YAML_SEQ_TAG, &node) && open_frame(b, node, anchor);
}

static bool on_map_start(struct builder *b, const yaml_event_t *event)
{
    const yaml_char_t *anchor = event->data.mapping_start.anchor;
    const yaml_char_t *tag = event->data.mapping_start.tag;
    struct dag_node node = make_node(b, event, NODE_MAP, anchor || tag);
    return check_tag(b, tag, YAML_MAP_TAG, &node) && open_frame(b, node, anchor);
}

/* Takes the children of the innermost frame off the stack: height and weight of the node. */
static const struct dag_node *close_frame(struct builder *b, struct frame *frame, size_t *ret_count)
{
    const struct dag_node *children = b->stack != NULL ? b->stack + frame->first : NULL;
    *ret_count = b->count - frame->first;
    for (size_t i = 0; i < *ret_count; i++) {
        frame->node.weight += children[i].weight;
        if (children[i].height >= frame->node.height) {
            frame->node.height = (uint8_t)(children[i].height + 1);
        }
    }
    if (frame->node.height == 0) {
        frame->node.height = 1;
    }
    b->count = frame->first;
    return children;
}

static bool end_frame(struct builder *b, struct frame *frame)
{
    close_anchor(frame->anchor, &frame->node);
    return add_child(b, &frame->node);
}

static bool on_list_end(struct builder *b, const yaml_event_t *event)
{
    (void)event;
    struct frame *frame = &b->frames[--b->depth];
    size_t count = 0;
    const struct dag_node *children = close_frame(b, frame, &count);
    frame->node.count = (uint32_t)count;
    if (count > 0) {
        frame->node.u.items = arena_array(b->arena, count, sizeof *children);
        memcpy(frame->node.u.items, children, count * sizeof *children);
    }
    return end_frame(b, frame);
}

static bool on_map_end(struct builder *b, const yaml_event_t *event)
{
    (void)event;
    struct frame *frame = &b->frames[--b->depth];
    size_t count = 0;
    const struct dag_node *children = close_frame(b, frame, &count);
    return node_build_map(b->arena, children, count / 2, b->diags, &frame->node) &&
           end_frame(b, frame);
}

static bool on_document_start(struct builder *b, const yaml_event_t *event)
{
    if (b->documents++ == 0) {
        return true;
    }
    struct diag_pos pos = {(unsigned)event->start_mark.line + 1,
                           (unsigned)event->start_mark.column + 1};
    return diag_add(b->diags, DIAG_ERROR, "yaml-documents", pos, 3,
                    "Keep each pipeline in a file of its own.",
                    "a second document begins here; a file holds exactly one");
}

static bool on_stream_end(struct builder *b, const yaml_event_t *event)
{
    (void)event;
    b->done = true;
    if (b->documents > 0) {
        return true;
    }
    return diag_add(b->diags, DIAG_ERROR, "empty", (struct diag_pos){0, 0}, 1, NULL,
                    "the document is empty");
}

static bool on_nothing(struct builder *b, const yaml_event_t *event)
{
    (void)b;
    (void)event;
    return true;
}

static bool (*const handlers[])(struct builder *, const yaml_event_t *) = {
    [YAML_NO_EVENT] = on_nothing,
    [YAML_STREAM_START_EVENT] = on_nothing,
    [YAML_STREAM_END_EVENT] = on_stream_end,
    [YAML_DOCUMENT_START_EVENT] = on_document_start,
    [YAML_DOCUMENT_END_EVENT] = on_nothing,
    [YAML_ALIAS_EVENT] = on_alias,
    [YAML_SCALAR_EVENT] = on_scalar,
    [YAML_SEQUENCE_START_EVENT] = on_list_start,
    [YAML_SEQUENCE_END_EVENT] = on_list_end,
    [YAML_MAPPING_START_EVENT] = on_map_start,
    [YAML_MAPPING_END_EVENT] = on_map_end,
};

static bool build(struct builder *b)
{
    while (!b->done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b->yaml, &event)) {
            struct node_syntax bad = {
                .problem = b->yaml.problem,
                .context = b->yaml.context,
                .pos = {(unsigned)b->yaml.problem_mark.line + 1,
                        (unsigned)b->yaml.problem_mark.column + 1},
                .context_line = (unsigned)b->yaml.context_mark.line + 1,
                .at = byte_at(b, b->yaml.problem_mark.index),
            };
            return node_syntax_error(b->src, &bad, b->diags);
        }
        bool ok = handlers[event.type](b, &event);
        yaml_event_delete(&event);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool node_parse(struct arena *a, const struct node_source *src, struct diags *diags,
                struct dag_node *ret)
{
    struct builder b = {.arena = a, .src = src, .diags = diags};
    if (!yaml_parser_initialize(&b.yaml)) {
        return diag_add(diags, DIAG_ERROR, "yaml", (struct diag_pos){0, 0}, 1, NULL,
                        "out of memory for the YAML parser");
    }
    yaml_parser_set_encoding(&b.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.yaml, (const unsigned char *)src->text, src->len);
    bool ok = build(&b);
    yaml_parser_delete(&b.yaml);
    struct anchor *anchor = NULL;
    struct anchor *next = NULL;
    HASH_ITER(hh, b.anchors, anchor, next)
    {
        HASH_DEL(b.anchors, anchor);
        free(anchor->name);
        free(anchor);
    }
    free(b.stack);
    if (ok) {
        *ret = b.root;
    }
    return ok;
}
