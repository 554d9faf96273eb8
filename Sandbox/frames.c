// Frames between the daemon and a command's keeper, and the queues that they wait in.
#include "shim.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAME_LIMIT = 1 << 20, FIRST_CAPACITY = 32768 };

void queue_put(struct queue *queue, const void *bytes, size_t size) {
  if (queue->capacity - queue->size < size) {
    while (queue->capacity - queue->size < size)
      queue->capacity = queue->capacity ? queue->capacity * 2 : FIRST_CAPACITY;
    queue->bytes = realloc(queue->bytes, queue->capacity);
    if (!queue->bytes) _exit(125);
  }
  memcpy(queue->bytes + queue->size, bytes, size);
  queue->size += size;
}

void queue_drop(struct queue *queue, size_t size) {
  memmove(queue->bytes, queue->bytes + size, queue->size - size);
  queue->size -= size;
}

void frame_put(struct queue *queue, char kind, const void *bytes, size_t size) {
  unsigned char head[5] = {(unsigned char)kind};
  for (int i = 0; i < 4; i++) head[1 + i] = (unsigned char)(size >> (8 * i));
  queue_put(queue, head, 5);
  queue_put(queue, bytes, size);
}

size_t frame_whole(const struct queue *queue) {
  if (queue->size < 5) return 0;
  size_t size = 0;
  for (int i = 0; i < 4; i++) size |= (size_t)(unsigned char)queue->bytes[1 + i] << (8 * i);
  if (size > FRAME_LIMIT) _exit(125);
  return queue->size >= 5 + size ? 5 + size : 0;
}
