/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dataplane/shm/ring.h: one producer, one consumer, RING_SLOTS entries of two words that are
 * written one after the other. Every load and store is a step of its own. Nothing is torn, lost,
 * doubled or out of order.
 *
 * SPIN's memory is sequentially consistent: what release and acquire must order stands here as the
 * order of statements. That the code asks for it is what ThreadSanitizer looks after
 * (RingThreads).
 *
 * FAULT 1: the index is published before the entry is written.
 * FAULT 2: the producer takes one slot more than there are.
 */
#ifndef FAULT
#define FAULT 0
#endif
#define RING_SLOTS 2
#define ENTRIES 5

byte first[RING_SLOTS];
byte second[RING_SLOTS];
byte produced = 0;
byte consumed = 0;

proctype producer() {
  byte next = 0;
  byte seen;
  do
  :: next == ENTRIES -> break
  :: next < ENTRIES ->
     seen = consumed;
#if FAULT == 2
     if
     :: next - seen > RING_SLOTS -> skip
     :: next - seen <= RING_SLOTS ->
#else
     if
     :: next - seen == RING_SLOTS -> skip
     :: next - seen < RING_SLOTS ->
#endif
#if FAULT == 1
        produced = next + 1;
#endif
        first[next % RING_SLOTS] = next + 1;
        second[next % RING_SLOTS] = next + 1;
        next++;
        produced = next
     fi
  od
}

proctype consumer() {
  byte next = 0;
  byte seen;
  byte one;
  byte other;
  do
  :: next == ENTRIES -> break
  :: next < ENTRIES ->
     seen = produced;
     assert(seen - next <= RING_SLOTS);
     if
     :: seen == next -> skip
     :: else ->
        one = first[next % RING_SLOTS];
        other = second[next % RING_SLOTS];
        assert(one == next + 1 && other == next + 1);
        next++;
        consumed = next
     fi
  od
}

init {
  atomic {
    run producer();
    run consumer()
  }
}
