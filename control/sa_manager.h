// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "control/key_floors.h"
#include "control/nonce_registry.h"
#include "control/policy.h"
#include "control/policy_slots.h"
#include "control/push_queue.h"
#include "control/request_channel.h"
#include "control/result.h"
#include "control/sa.h"
#include "control/sa_manager_options.h"
#include "control/sa_move.h"
#include "control/sa_plan.h"
#include "control/sa_slots.h"
#include "control/sa_timers.h"
#include "crypto/key.h"
#include "crypto/transform.h"
#include "dataplane/shm/regions.h"

namespace culvert {

// Told what became of SAs and policies, after it happened. Called on control's only thread, from
// within the SaManager's member functions: it may read the manager, not change it.
class SaListener {
 public:
  SaListener() = default;
  SaListener(const SaListener&) = delete;
  SaListener& operator=(const SaListener&) = delete;
  virtual ~SaListener() = default;

  // Whether it is to be told of SAs that were added, updated and deleted.
  [[nodiscard]] virtual bool hears_of_changes() const { return true; }
  virtual void on_sa_added(const Sa&) {}
  virtual void on_sa_updated(const Sa&) {}
  virtual void on_sa_deleted(const Sa&) {}
  // A limit of the lifetime was reached; hard: the SA is gone, and so for larval ones that nobody
  // completed (XFRM_MSG_EXPIRE).
  virtual void on_sa_expired(const Sa&, SaExpiry) {}
  // An authentic packet came from another end than the SA's (XFRM_MSG_MAPPING).
  virtual void on_sa_peer_moved(const Sa&, const PeerEndpoint&) {}
  virtual void on_migrated(const Migration&) {}
  virtual void on_sas_flushed(std::uint8_t /*protocol*/) {}
  virtual void on_policy_added(const Policy&) {}
  virtual void on_policy_updated(const Policy&) {}
  virtual void on_policy_deleted(const Policy&) {}
  virtual void on_policies_flushed(std::uint8_t /*type*/) {}
  virtual void on_default_policy_set() {}
};

// XFRM_MSG_NEWSADINFO and NEWSPDINFO.
struct SadCounts {
  std::uint32_t sas = 0;      // larval ones included
  std::uint32_t buckets = 0;  // sadhcnt
  std::uint32_t max_sas = 0;  // sadhmcnt
};
struct SpdCounts {
  std::array<std::uint32_t, kPolicyDirections> policies{};  // by PolicyDirection
  std::uint32_t max_policies = 0;
};

// XFRM_USERPOLICY_BLOCK and ACCEPT, by PolicyDirection.
using DefaultVerdicts = std::array<PolicyVerdict, kPolicyDirections>;

// Owns the SAD and the SPD as control sees them. They live in the requests and keys regions (specs,
// notes, keys), so a restarted control finds them there; here are only the indices over them.
// Errors carry the errno that net/xfrm would give, and a sentence. One thread.
class SaManager {
 public:
  // Takes over what lies in the regions. Listeners hear nothing of it. Call `reconcile` next.
  SaManager(Regions& regions, RequestChannel& channel, SaManagerOptions options);
  SaManager(const SaManager&) = delete;
  SaManager& operator=(const SaManager&) = delete;

  void add_listener(SaListener* listener);
  void remove_listener(SaListener* listener);

  // --- SAD ---

  // NEWSA. `key`: cipher key, salt, authentication key. EEXIST: identity taken, or key in use.
  // EAGAIN: the key's SA is being deleted.
  // EINVAL, ENOSYS (algorithm), EPROTONOSUPPORT, EOPNOTSUPP, ENOBUFS (table full), ETIMEDOUT.
  [[nodiscard]] Result<Sa> add(const Sa& sa, const Key& key);
  // The same for one of very many: what was made of it is not described.
  [[nodiscard]] Result<SaIndex> add_one(const Sa& sa, const Key& key);
  // UPDSA: completes a larval SA, or changes encapsulation, addresses behind it, lifetimes, ... of
  // a live one as xfrm_state_update does. ESRCH: no such SA; else as `add`.
  [[nodiscard]] Result<Sa> update(const Sa& sa, const Key& key);
  // NEWAE: moves the sequence number (outbound) or the window's top (inbound), 64 bits, up to
  // `sequence`; a lower one changes nothing. ESRCH: no such SA; EINVAL: larval.
  [[nodiscard]] Result<void> advance(const SaId& id, std::uint64_t sequence);
  // MIGRATE: SAs and templates of a policy get other ends; sequence numbers and windows stay.
  // ENOENT: no such policy; ENODATA: none of its templates is between the old ends; EEXIST: the
  // new place of an SA is taken; EINVAL.
  [[nodiscard]] Result<void> migrate(const Migration& asked);
  // DELSA. ESRCH: no such SA. The key is wiped once the dataplane has acknowledged.
  [[nodiscard]] Result<void> remove(const SaId& id);
  // FLUSHSA; protocol 0 or 255 means all. Returns how many went.
  [[nodiscard]] Result<std::size_t> flush_sas(std::uint8_t protocol);
  // ALLOCSPI. EINVAL: min > max or reserved; ENOENT: none free; EEXIST is never returned.
  [[nodiscard]] Result<Sa> allocate_spi(const SpiRequest& request);

  [[nodiscard]] std::optional<Sa> find(const SaId& id) const;
  [[nodiscard]] std::optional<Sa> sa_at(SaIndex index) const;
  // The first SA at `from` or behind it, larval ones included; dumps go by index.
  [[nodiscard]] std::optional<Sa> next_sa(SaIndex from) const;
  // The same without describing it.
  [[nodiscard]] std::optional<SaIndex> next_index(SaIndex from) const;
  [[nodiscard]] const SaSpec& spec_of(SaIndex index) const { return sas_.spec(index.raw()); }
  // The raw key as given. The span lies in the keys region: copy it to where it is needed and wipe
  // that. Empty for larval SAs. Of one that was removed it is there for listeners only.
  [[nodiscard]] std::span<const std::byte> key_of(SaIndex index) const;
  [[nodiscard]] SaFigures figures(SaIndex index) const;
  // The replay window: bit i of word i / 32 says that number top - i was seen, top = figures().
  // sequence. As many bits as the effective window has; empty for outbound SAs.
  [[nodiscard]] std::vector<std::uint32_t> replay_bitmap(SaIndex index) const;
  // What the dataplane uses it for; `none` for larval SAs.
  [[nodiscard]] Direction direction_of(SaIndex index) const;
  [[nodiscard]] SadCounts sad_counts() const;

  // --- SPD ---

  // NEWPOLICY. EEXIST: a policy with this selector, mark, if_id and direction exists.
  [[nodiscard]] Result<Policy> add_policy(const Policy& policy);
  // UPDPOLICY: replaces it in one step, or adds it.
  [[nodiscard]] Result<Policy> update_policy(const Policy& policy);
  // DELPOLICY. ENOENT: no such policy. Returns what was deleted.
  [[nodiscard]] Result<Policy> remove_policy(const PolicyId& id);
  [[nodiscard]] Result<Policy> remove_policy(PolicyDirection direction, std::uint32_t index);
  // Those that came by XFRM.
  [[nodiscard]] Result<std::size_t> flush_policies(std::uint8_t type);
  // The policies of the configuration: those that it no longer has go. All or nothing.
  [[nodiscard]] Result<void> set_configured_policies(std::span<const Policy> policies);

  [[nodiscard]] std::optional<Policy> find_policy(const PolicyId& id) const;
  [[nodiscard]] std::optional<Policy> find_policy(PolicyDirection direction,
                                                  std::uint32_t index) const;
  // The first policy at slot `from` or behind it.
  [[nodiscard]] std::optional<Policy> next_policy(std::uint32_t from) const;
  [[nodiscard]] PolicyFigures policy_figures(std::uint32_t slot) const;
  // Whether its flows are spread over its SAs.
  [[nodiscard]] bool is_spread(std::uint32_t slot) const {
    return policies_.is_listed(slot) && policies_.spec(slot).spreads != 0;
  }
  // Whether it asks for a mark or an interface ID that no packet has, and so matches none.
  [[nodiscard]] bool is_dormant(std::uint32_t slot) const {
    return policies_.is_listed(slot) && policies_.spec(slot).is_dormant != 0;
  }
  // The SAs an outbound policy leads to, newest first.
  [[nodiscard]] std::vector<SaIndex> sas_of_policy(std::uint32_t slot) const;
  // Of those that came by XFRM.
  [[nodiscard]] SpdCounts spd_counts() const;

  // GETDEFAULT, SETDEFAULT: holds for the instance's life, or until the configuration names another
  // default. Limit: the dataplane has one default; it discards if any direction does.
  [[nodiscard]] const DefaultVerdicts& default_verdicts() const { return default_verdicts_; }
  [[nodiscard]] Result<void> set_default_verdicts(const DefaultVerdicts& verdicts);
  // What they make of the dataplane's one default: it discards as soon as one of them does.
  [[nodiscard]] PolicyAction default_action() const;

  // --- transactions ---

  // Between begin and commit every change is carried out, and kept undoable. In a transaction an SA
  // or policy that is there already exactly as given (key too) is taken as done: a batch file may
  // be loaded again.
  void begin();
  // When the dataplane refused something of it, all of it is undone and the first refusal returned.
  [[nodiscard]] Result<void> commit();
  // Has the dataplane carry out what there is so far; the transaction stays open. Roll back on an
  // error.
  [[nodiscard]] Result<void> send() { return flush(); }
  void rollback();

  // --- configuration ---

  // What of [esp] can change: idle_timeout and follow_peers count for all SAs, all else for those
  // that come from now on.
  void set_esp_options(const SaManagerOptions& wanted);
  // [policy] default. What SETDEFAULT said counts on when it is the same as before.
  [[nodiscard]] Result<void> set_configured_default(PolicyVerdict verdict);

  // --- with the dataplane ---

  // After control started: pushes what the dataplane lacks and leaves alone what is right.
  [[nodiscard]] Result<void> reconcile();
  // After the dataplane started anew: pushes default policy, SAs, policies. The caller pushes
  // addresses, routes and neighbours, and `commit` last.
  [[nodiscard]] Result<void> push_everything();
  // What the dataplane says of an SA; poll() takes it up.
  void on_event(const Event& event);
  // Expires SAs, ends the rest of freed SPIs and slots, raises floors. Every 100 ms to 1 s.
  void poll();

 private:
  enum class Scope : std::uint8_t { none, single, batch };
  enum class Exclusive : std::uint8_t { no, yes };

  // What a transaction did so far, and how to take it back.
  struct Transaction {
    PushQueue queue;
    std::map<std::uint32_t, bool> policies;  // to resolve again; true: to push in any case
    std::map<std::uint32_t, PolicyStrength> weakened;  // of them, what the dataplane still has
    std::vector<std::function<void()>> undo;
    std::vector<std::function<void(SaListener&)>> events;
    std::vector<std::uint32_t> added_sas;
    std::vector<std::uint32_t> completed_sas;  // larval before
    std::vector<std::uint32_t> changed_sas;
    std::vector<std::uint32_t> removed_sas;
    std::size_t released_sas = 0;  // the first of them, whose keys are free again
    std::vector<std::uint32_t> added_policies;
    std::vector<std::uint32_t> pushed_policies;
    std::vector<std::uint32_t> removed_policies;
    // Keys of undone completions: the numbers used under them count once the SA is gone.
    std::vector<std::pair<std::uint32_t, KeyHash>> forgotten_keys;
    bool has_floors = false;  // reserved numbers that must be on disk first
    bool was_sent = false;    // the dataplane heard of some of it
    // Answered means all of it is; empty: some could not even be handed over.
    std::optional<std::uint64_t> last_sequence = 0;
    bool is_unanswered = false;  // and may yet carry it out
  };

  // When the limits of an SA in time are met, in seconds of CLOCK_REALTIME.
  struct TimeLimits {
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
    std::uint64_t look_again = ~std::uint64_t{0};  // it was not used yet
  };

  enum class SlotKind : std::uint8_t { sa, policy };
  // A slot that is free as soon as the dataplane has let go of it.
  struct Retired {
    SlotKind kind = SlotKind::sa;
    std::uint32_t slot = 0;
    // Of a request at or after the removal; 0: the dataplane never heard of the slot. Empty: the
    // removal is still to be sent.
    std::optional<std::uint64_t> sequence;
  };

  // Runs one operation as a transaction of its own, unless a batch is open.
  template <typename ResultType, typename Operation>
  [[nodiscard]] ResultType atomically(Operation operation);

  // SAD
  [[nodiscard]] Result<std::uint32_t> add_within(const Sa& asked, const Key& key);
  // Whether the dataplane must have let go of what this transaction removes before such an SA may
  // come.
  [[nodiscard]] bool waits_for_removals(const SaId& id, TransformId transform,
                                        const KeyHash& key_hash) const;
  using Told = void (SaListener::*)(const Sa&);
  void tell(std::uint32_t slot, Told told);
  [[nodiscard]] Result<Sa> complete_within(std::uint32_t slot, const Sa& sa, const SaPlan& plan,
                                           const Key& key);
  [[nodiscard]] Result<Sa> change_within(std::uint32_t slot, const Sa& sa);
  void remove_within(std::uint32_t slot);
  [[nodiscard]] Result<void> move_sas_within(const SaMove& move);
  [[nodiscard]] Result<void> move_sa_within(std::uint32_t slot, const SaMove& move);
  [[nodiscard]] bool move_templates_within(std::uint32_t slot, std::span<const SaMove> moves);
  // Claims and tombstones go by this: two transforms may differ and yet share their nonces.
  [[nodiscard]] KeyHash nonce_hash(TransformId transform, std::span<const std::byte> key) const;
  [[nodiscard]] KeyHash nonce_hash(std::uint32_t slot) const;
  // Whether the SA's key is one that could have been used before this instance began.
  [[nodiscard]] static bool has_floor(SaOrigin origin, TransformId transform, Direction direction);
  [[nodiscard]] Result<KeyHash> floor_name(TransformId transform, std::span<const std::byte> key);
  [[nodiscard]] Result<void> check_claim(TransformId transform, const KeyHash& key_hash) const;
  void claim(std::uint32_t slot, const KeyHash& key_hash);
  void warn_if_legacy(TransformId transform);
  [[nodiscard]] Result<std::uint64_t> first_sequence(const Sa& sa, const SaPlan& plan,
                                                     const Key& key, const KeyHash& key_hash);
  void fill(std::uint32_t slot, const Sa& sa, const SaPlan& plan, std::uint64_t sequence,
            const Key& key);
  void undo_completion(std::uint32_t slot, const SaSpec& old_spec, const SaRecord& old_record);
  void undo_removal(std::uint32_t slot);
  void go_on_behind_used(std::uint32_t slot);
  [[nodiscard]] bool is_same(std::uint32_t slot, const Sa& sa, TransformId transform,
                             const Key& key) const;
  [[nodiscard]] std::uint32_t choose_spi(const SpiRequest& request);
  void mark_policies_wanting(std::uint32_t sa_slot);
  void note_installed(std::uint32_t slot);
  [[nodiscard]] bool is_described(std::uint32_t slot) const;
  // The last sequence number that may have been used by the SA in this slot.
  [[nodiscard]] std::uint64_t last_sequence(std::uint32_t slot) const;

  // SPD
  [[nodiscard]] Result<Policy> put_policy_within(const Policy& asked, Exclusive exclusive);
  void replace_within(std::uint32_t slot, const Policy& policy);
  // `before` is what the policy in this slot was until now.
  void note_replaced(std::uint32_t slot, const PolicySpec& before);
  void remove_policy_within(std::uint32_t slot);
  [[nodiscard]] Result<Policy> remove_policy_at(std::uint32_t slot);
  [[nodiscard]] Result<void> set_defaults_within(const DefaultVerdicts& verdicts);
  void load_defaults();
  void keep_defaults(const DefaultVerdicts& verdicts);

  // Transactions
  [[nodiscard]] Result<void> flush();
  [[nodiscard]] Error error_of(const PushQueue::Outcome& outcome, const Refused& refused) const;
  void note_sent(const PushQueue::Outcome& outcome);
  void resolve_policies();
  void release_keys_of_removed();
  void settle(SlotState state);
  void undo_all();
  void retire(SlotKind kind, std::uint32_t slot, std::optional<std::uint64_t> sequence);
  void collect_retired();
  void free_sa_slot(std::uint32_t slot);
  void send_removals_again();

  // With the dataplane, and time
  void load_sas();
  void load_policies();
  void load_key(std::uint32_t slot);
  [[nodiscard]] Result<void> send_state(PushQueue& queue);
  void expire_larvals();
  void watch_lifetimes();
  void take_up_limits(std::uint32_t slot);
  void raise_soft_limit(std::uint32_t slot);
  void expire(std::uint32_t slot);
  void report_moved_peer(const Event& event);
  void follow_peer(const Sa& sa, const PeerEndpoint& peer);
  [[nodiscard]] bool is_live(std::uint32_t slot, std::uint32_t generation) const;
  [[nodiscard]] std::uint32_t pair_of_sa(std::uint32_t slot) const;
  [[nodiscard]] std::uint64_t idle_end(std::uint32_t slot) const;
  [[nodiscard]] TimeLimits time_limits(std::uint32_t slot) const;
  void set_timer(std::uint32_t slot);
  void raise_floors();
  [[nodiscard]] std::chrono::nanoseconds now() const;
  [[nodiscard]] std::uint64_t now_seconds() const;

  Regions& regions_;
  RequestChannel& channel_;
  SaManagerOptions options_;
  SaSlots sas_;
  PolicySlots policies_;
  NonceRegistry nonces_;
  KeyFloors floors_;
  std::bitset<kTransformCount> warned_;  // legacy transforms, by TransformId
  // Outbound SAs under manual keys: what the floors call the key, and the sequence number that was
  // noted there last.
  struct ManualKey {
    KeyHash name{};
    std::uint64_t noted = 0;
  };
  std::unordered_map<std::uint32_t, ManualKey> manual_;
  DefaultVerdicts default_verdicts_;
  std::vector<SaListener*> listeners_;
  Scope scope_ = Scope::none;
  Transaction transaction_;
  std::vector<Retired> retired_;
  SaTimers timers_;
  std::vector<Event> heard_;  // since the last poll()
  std::uint32_t swept_slot_ = 0;
  // SPI values that ALLOCSPI must not issue again yet, and until when, oldest first.
  std::unordered_map<std::uint32_t, std::chrono::nanoseconds> resting_spis_;
  std::deque<std::uint32_t> resting_order_;
};

template <typename ResultType, typename Operation>
ResultType SaManager::atomically(Operation operation) {
  if (scope_ == Scope::batch) return operation();
  scope_ = Scope::single;
  ResultType result = operation();
  if (!result) {
    rollback();
    return result;
  }
  if (const Result<void> done = commit(); !done) return done.error();
  return result;
}

}  // namespace culvert
