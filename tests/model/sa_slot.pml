/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dataplane/sad.cc and qsbr.h: SAs are added, changed, removed and added again in one slot while
 * workers look them up and use them. A worker gets from the table (SPI to slot) to the SA, from
 * there to the key and the record of the slot; the housekeeper frees what it has taken away only
 * after every worker was quiescent (Quiescence::wait).
 *
 * - What a worker holds is never freed, filled anew or wiped under its hands.
 * - The key and the record are those of the SA that the worker found, never its successor's.
 *
 * FAULT 1: what was removed is reclaimed at once.
 * FAULT 2: what was changed is reclaimed at once.
 * FAULT 3: workers say that they are quiescent in the middle of their round.
 */
#ifndef FAULT
#define FAULT 0
#endif
#define WORKERS 2
#define ROUNDS 2
#define OBJECTS 3 /* Sa objects: immutable once they are published */
#define NONE 255

/* An object: whose it is (generation of the SA), or 0 when it is free. */
byte object_of[OBJECTS];
byte in_table = 0;     /* the SPI leads to the slot */
byte by_index = NONE;  /* the slot's object */
byte key = 0;          /* generation of the SA whose key is expanded in the slot; 0: wiped */
byte record = 0;       /* SaState::generation */

byte token = 0;
byte passed[WORKERS]; /* the last token that each worker has seen between its rounds */

proctype worker(byte id) {
  byte object, generation, round;
  for (round : 1 .. ROUNDS) {
    if
    :: in_table == 0 -> skip
    :: else ->
       object = by_index;
       if
       :: object == NONE -> skip
       :: else ->
          generation = object_of[object];
#if FAULT == 3
          passed[id] = token;
#endif
          /* It opens a packet: the key, then the window. */
          assert(generation != 0);
          assert(key == generation);
          assert(record == generation);
          assert(object_of[object] == generation)
       fi
    fi;
    passed[id] = token
  }
  /* It sleeps for good: nobody waits for it. */
  passed[id] = NONE
}

inline wait_for_workers() {
  token++;
  for (worker_id : 0 .. WORKERS - 1) {
    (passed[worker_id] >= token)
  }
}

/* Sad::add: key and record first, then the object, then the way to it. */
inline add(object, generation) {
  key = generation;
  record = generation;
  object_of[object] = generation;
  by_index = object;
  in_table = 1
}

/* Sad::update: another object over the same key and record. */
inline change(fresh, old, generation) {
  object_of[fresh] = generation;
  by_index = fresh;
#if FAULT != 2
  wait_for_workers();
#endif
  object_of[old] = 0
}

/* Sad::remove and, after all workers were quiescent, Sad::reclaim. */
inline remove(object) {
  in_table = 0;
  by_index = NONE;
#if FAULT != 1
  wait_for_workers();
#endif
  key = 0;
  record = 0;
  object_of[object] = 0
}

proctype housekeeper() {
  byte worker_id;
  add(0, 1);
  change(1, 0, 1);
  remove(1);
  add(0, 2);
  change(2, 0, 2);
  remove(2)
}

init {
  byte i;
  atomic {
    for (i : 0 .. WORKERS - 1) {
      run worker(i)
    }
    run housekeeper()
  }
}
