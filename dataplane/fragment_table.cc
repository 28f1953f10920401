// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fragment_table.h"

#include <bit>
#include <cassert>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

using AddressWords = std::array<std::uint64_t, 2>;

// What counts as one source: see FragmentTable.
std::uint64_t source_address(const DatagramKey& key) {
  return std::bit_cast<AddressWords>(key.source)[0];
}

}  // namespace

FragmentTable::FragmentTable(std::uint64_t secret)
    : secret_(secret),
      datagrams_(kMaxDatagrams),
      fragments_(std::size_t{kMaxDatagrams} * kMaxFragments),
      sources_(kMaxDatagrams) {
  datagram_heads_.fill(kNoDatagram);
  source_heads_.fill(kNoDatagram);
  for (std::uint16_t i = kMaxDatagrams; i-- > 0;) {
    free_.push_back(i);
    free_sources_.push_back(i);
  }
}

std::size_t FragmentTable::bucket_of(const DatagramKey& key) const {
  const auto source = std::bit_cast<AddressWords>(key.source);
  const auto destination = std::bit_cast<AddressWords>(key.destination);
  const std::uint64_t rest = std::uint64_t{key.identification} << 16 |
                             std::uint64_t{static_cast<std::uint8_t>(key.protocol)} << 8 |
                             static_cast<std::uint8_t>(key.family);
  const std::uint64_t addresses = keyed_hash(source[0], source[1], destination[0], secret_);
  return keyed_hash(addresses, destination[1], rest, secret_) % kBuckets;
}

std::size_t FragmentTable::bucket_of(std::uint64_t address, Family family) const {
  return keyed_hash(address, static_cast<std::uint8_t>(family), 0, secret_) % kBuckets;
}

std::uint16_t FragmentTable::find(const DatagramKey& key) const {
  std::uint16_t index = datagram_heads_[bucket_of(key)];
  while (index != kNoDatagram && datagrams_[index].key != key) {
    index = datagrams_[index].next_in_bucket;
  }
  return index;
}

std::uint16_t FragmentTable::find_source(const DatagramKey& key) const {
  const std::uint64_t address = source_address(key);
  std::uint16_t index = source_heads_[bucket_of(address, key.family)];
  while (index != kNoDatagram &&
         (sources_[index].address != address || sources_[index].family != key.family)) {
    index = sources_[index].next_in_bucket;
  }
  return index;
}

std::uint16_t FragmentTable::source_for(const DatagramKey& key) {
  if (const std::uint16_t found = find_source(key); found != kNoDatagram) return found;
  const std::uint16_t index = free_sources_.back();
  free_sources_.pop_back();
  const std::uint64_t address = source_address(key);
  std::uint16_t& head = source_heads_[bucket_of(address, key.family)];
  sources_[index] = {.address = address, .family = key.family, .next_in_bucket = head};
  head = index;
  return index;
}

std::uint16_t FragmentTable::add(const DatagramKey& key, std::uint64_t now_ns) {
  assert(!is_full() && find(key) == kNoDatagram);
  const std::uint16_t index = free_.back();
  free_.pop_back();
  std::uint16_t& head = datagram_heads_[bucket_of(key)];
  datagrams_[index] = {
      .key = key, .since_ns = now_ns, .next_in_bucket = head, .source = source_for(key)};
  head = index;
  Source& source = sources_[datagrams_[index].source];
  ++source.datagrams;
  append(by_age_, &Datagram::by_age, index);
  append(source.by_age, &Datagram::of_source, index);
  return index;
}

void FragmentTable::remove(std::uint16_t index) {
  forget_fragments(index);
  Datagram& datagram = datagrams_[index];
  std::uint16_t* link = &datagram_heads_[bucket_of(datagram.key)];
  while (*link != index) link = &datagrams_[*link].next_in_bucket;
  *link = datagram.next_in_bucket;
  Source& source = sources_[datagram.source];
  unlink(by_age_, &Datagram::by_age, index);
  unlink(source.by_age, &Datagram::of_source, index);
  free_.push_back(index);
  if (--source.datagrams != 0) return;
  std::uint16_t* source_link = &source_heads_[bucket_of(source.address, source.family)];
  while (*source_link != datagram.source) source_link = &sources_[*source_link].next_in_bucket;
  *source_link = source.next_in_bucket;
  free_sources_.push_back(datagram.source);
}

void FragmentTable::add_fragment(std::uint16_t index, const WaitingFragment& fragment) {
  Datagram& datagram = datagrams_[index];
  assert(datagram.fragment_count < kMaxFragments);
  fragments_[std::size_t{index} * kMaxFragments + datagram.fragment_count] = fragment;
  ++datagram.fragment_count;
  ++sources_[datagram.source].fragments;
  ++fragment_count_;
}

void FragmentTable::forget_fragments(std::uint16_t index) {
  Datagram& datagram = datagrams_[index];
  Source& source = sources_[datagram.source];
  source.fragments = static_cast<std::uint16_t>(source.fragments - datagram.fragment_count);
  fragment_count_ -= datagram.fragment_count;
  datagram.fragment_count = 0;
}

std::size_t FragmentTable::datagrams_of_source(const DatagramKey& key) const {
  const std::uint16_t source = find_source(key);
  return source == kNoDatagram ? 0 : sources_[source].datagrams;
}

std::uint16_t FragmentTable::oldest_but(std::uint16_t index) const {
  return by_age_.oldest == index ? datagrams_[index].by_age.newer : by_age_.oldest;
}

std::uint16_t FragmentTable::oldest_of_source_but(std::uint16_t index) const {
  const std::uint16_t oldest = sources_[datagrams_[index].source].by_age.oldest;
  return oldest == index ? datagrams_[index].of_source.newer : oldest;
}

std::uint16_t FragmentTable::oldest_of_source(const DatagramKey& key) const {
  const std::uint16_t source = find_source(key);
  return source == kNoDatagram ? kNoDatagram : sources_[source].by_age.oldest;
}

void FragmentTable::append(AgeList& list, AgeLinks Datagram::*links, std::uint16_t index) {
  datagrams_[index].*links = {.older = list.newest};
  if (list.newest != kNoDatagram) {
    (datagrams_[list.newest].*links).newer = index;
  } else {
    list.oldest = index;
  }
  list.newest = index;
}

void FragmentTable::unlink(AgeList& list, AgeLinks Datagram::*links, std::uint16_t index) {
  const AgeLinks own = datagrams_[index].*links;
  if (own.older != kNoDatagram) {
    (datagrams_[own.older].*links).newer = own.newer;
  } else {
    list.oldest = own.newer;
  }
  if (own.newer != kNoDatagram) {
    (datagrams_[own.newer].*links).older = own.older;
  } else {
    list.newest = own.older;
  }
}

}  // namespace culvert
