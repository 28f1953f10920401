/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dataplane/replay_window.cc with small numbers: W = 3, blocks of 2 numbers, S = 2 slots, so that
 * S * 2 >= W + 1 as 32 S >= W + 31 there. WORKERS workers commit PACKETS authentic packets each, of
 * any numbers; one more process moves the window on (ReplayWindow::advance). Each access to T or to
 * a slot's word is a step of its own.
 *
 * - No number is accepted twice.
 * - What is refused as a replay was accepted before, or counts as seen since advance().
 * - What is refused as too old lies left of the window.
 *
 * FAULT 1: T is raised after the slot was claimed.
 * FAULT 2: a newer block in the slot is not noticed.
 * FAULT 3: the slot is stored, not exchanged.
 */
#ifndef FAULT
#define FAULT 0
#endif
#define WINDOW 3
#define BLOCK_BITS 1
#define SLOT_BITS 1
#define SLOTS 2
#define NUMBERS 10
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef PACKETS
#define PACKETS 2
#endif
#define ADVANCED_TO 5

#define BLOCK(n) ((n) >> BLOCK_BITS)
#define BIT(n) (1 << ((n) & 1))
#define GENERATION(n) (BLOCK(n) >> SLOT_BITS)
#define SLOT(n) (BLOCK(n) & (SLOTS - 1))
#define IS_LEFT(n, t) ((t) >= WINDOW && (n) <= (t) - WINDOW)

byte top = 0;
byte generation[SLOTS]; /* with seen: one word, always read and exchanged as one */
byte seen[SLOTS];
byte accepted[NUMBERS + 1]; /* what really happened; the code knows nothing of it */

/* Raises T to n. */
inline raise_top(n) {
  current = top;
  do
  :: current >= n -> break
  :: current < n ->
     if
     :: atomic { top == current -> top = n; current = n }
     :: atomic { top != current -> current = top }
     fi
  od
}

/* The bits `fresh` of the block of n are accepted, in the step that sets them. */
inline note(n) {
  if
  :: (fresh & 1) -> accepted[BLOCK(n) << BLOCK_BITS]++; assert(accepted[BLOCK(n) << BLOCK_BITS] <= 1)
  :: else -> skip
  fi;
  if
  :: (fresh & 2) ->
     accepted[(BLOCK(n) << BLOCK_BITS) + 1]++;
     assert(accepted[(BLOCK(n) << BLOCK_BITS) + 1] <= 1)
  :: else -> skip
  fi
}

/* Sets the bits `mask` of n's block; `fresh` are those that were not set, `is_newer` says that the
 * block is out of the window. What was accepted is noted in the same step. */
inline claim(n, mask) {
  d_step { had_generation = generation[SLOT(n)]; had_seen = seen[SLOT(n)] }
  is_newer = false;
  fresh = 0;
  do
  :: had_generation == GENERATION(n) && (mask & ~had_seen) == 0 -> break
  :: else ->
     if
     :: had_generation == GENERATION(n) -> skip
     :: else ->
#if FAULT != 2
        top_generation = top >> (BLOCK_BITS + SLOT_BITS);
        if
        :: had_generation > GENERATION(n) && had_generation <= top_generation ->
           is_newer = true;
           break
        :: else -> skip
        fi
#else
        skip
#endif
     fi;
     if
     :: atomic {
#if FAULT == 3
          true ->
#else
          generation[SLOT(n)] == had_generation && seen[SLOT(n)] == had_seen ->
#endif
          if
          :: had_generation == GENERATION(n) ->
             fresh = mask & ~had_seen;
             seen[SLOT(n)] = had_seen | mask
          :: else ->
             fresh = mask;
             seen[SLOT(n)] = mask;
             generation[SLOT(n)] = GENERATION(n)
          fi;
          note(n)
        };
        break
#if FAULT != 3
     :: atomic {
          generation[SLOT(n)] != had_generation || seen[SLOT(n)] != had_seen ->
          had_generation = generation[SLOT(n)];
          had_seen = seen[SLOT(n)]
        }
#endif
     fi
  od
}

proctype worker() {
  byte number, old_top, current, had_generation, had_seen, top_generation, fresh, count;
  bool is_newer;
  for (count : 1 .. PACKETS) {
    select (number : 1 .. NUMBERS - 1);
    old_top = top;
    if
    :: IS_LEFT(number, old_top) -> skip /* too old, as T only rises */
    :: else ->
#if FAULT != 1
       raise_top(number);
#endif
       claim(number, BIT(number));
#if FAULT == 1
       raise_top(number);
#endif
       if
       :: is_newer -> assert(IS_LEFT(number, top))
       :: else ->
          if
          :: fresh == 0 -> assert(accepted[number] == 1)
          :: else -> skip
          fi
       fi
    fi
  }
}

proctype mover() {
  byte number, current, had_generation, had_seen, top_generation, fresh;
  bool is_newer;
  raise_top(ADVANCED_TO);
  /* From the block of the window's left end to that of its top, of which only the numbers up to it. */
  number = (BLOCK(ADVANCED_TO - WINDOW + 1)) << BLOCK_BITS;
  do
  :: number > ADVANCED_TO -> break
  :: number <= ADVANCED_TO ->
     if
     :: number + 1 <= ADVANCED_TO -> claim(number, 3)
     :: else -> claim(number, 1)
     fi;
     number = number + 2
  od
}

init {
  byte i;
  accepted[0] = 0;
  atomic {
    for (i : 1 .. WORKERS) {
      run worker()
    }
#ifdef WITH_MOVER
    run mover()
#endif
  }
}
