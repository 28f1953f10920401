// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/shm/regions.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace culvert {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

std::string system_error(const std::string& what) {
  return what + ": " + std::strerror(errno);  // NOLINT(concurrency-mt-unsafe): start-up only
}

std::string create_region(const char* name, std::uint64_t bytes, int& descriptor) {
  descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return system_error(std::string("cannot create region ") + name);
  if (ftruncate(descriptor, static_cast<off_t>(bytes)) != 0) {
    return system_error(std::string("cannot reserve ") + std::to_string(bytes) +
                        " bytes for region " + name);
  }
  if (fcntl(descriptor, F_ADD_SEALS, kSeals) != 0) {
    return system_error(std::string("cannot seal region ") + name);
  }
  return {};
}

// Constructs `Head` at the start of the region; everything behind it is zero, as memfds are.
template <typename Head, typename Fill>
std::string write_head(int descriptor, const RegionHeader& header, Fill fill) {
  void* memory = mmap(nullptr, sizeof(Head), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return system_error("cannot map a new region");
  auto* head = new (memory) Head;
  head->header = header;
  head->header.head_bytes = sizeof(Head);
  fill(*head);
  munmap(memory, sizeof(Head));
  return {};
}

template <typename T>
std::span<T> array_at(std::byte* base, std::uint64_t offset, std::uint64_t count) {
  return {reinterpret_cast<T*>(base + offset), static_cast<std::size_t>(count)};
}

}  // namespace

Regions::~Regions() {
  unmap();
}

void Regions::unmap() {
  for (Mapping& mapping : mappings_) {
    if (mapping.base != nullptr) munmap(mapping.base, mapping.bytes);
    mapping = {};
  }
}

std::string Regions::map(int descriptor, const char* name, std::uint64_t magic,
                         std::uint32_t head_bytes, Access access, Mapping& mapping) {
  const std::string region = std::string("region ") + name;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return system_error(region);
  const int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return region + ": not sealed against shrinking and growing";
  }
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes < head_bytes) return region + ": " + std::to_string(bytes) + " bytes, too short";
  const int protection = access == Access::read_write ? PROT_READ | PROT_WRITE : PROT_READ;
  void* memory = mmap(nullptr, bytes, protection, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return system_error(region + ": cannot map");
  mapping = {static_cast<std::byte*>(memory), bytes};
  madvise(memory, bytes, MADV_DONTDUMP);

  RegionHeader header;
  std::memcpy(&header, memory, sizeof header);
  if (header.magic != magic) return region + ": not a culvert region of this kind";
  if (header.version != kLayoutVersion || header.head_bytes != head_bytes) {
    return region + ": layout version " + std::to_string(header.version) + ", this program has " +
           std::to_string(kLayoutVersion) + "; stop the instance and start all of it anew";
  }
  if (!header.sizes.valid()) return region + ": table sizes out of range";
  if (header.region_bytes != bytes) {
    return region + ": says " + std::to_string(header.region_bytes) + " bytes, has " +
           std::to_string(bytes);
  }
  return {};
}

std::string Regions::attach(const Descriptors& descriptors, Side side) {
  const auto own = [side](Side writer) {
    return side == writer ? Access::read_write : Access::read_only;
  };
  std::string error = map(descriptor_of(descriptors, Descriptor::requests), "requests",
                          kRequestsMagic, sizeof(RequestsHead), own(Side::control), mappings_[0]);
  if (error.empty()) {
    error = map(descriptor_of(descriptors, Descriptor::keys), "keys", kKeysMagic, sizeof(KeysHead),
                own(Side::control), mappings_[1]);
  }
  if (error.empty()) {
    error = map(descriptor_of(descriptors, Descriptor::state), "state", kStateMagic,
                sizeof(StateHead), own(Side::dataplane), mappings_[2]);
  }
  if (!error.empty()) {
    unmap();
    return error;
  }
  RegionHeader headers[3];
  for (std::size_t i = 0; i < 3; ++i) {
    std::memcpy(&headers[i], mappings_[i].base, sizeof(RegionHeader));
  }
  sizes_ = headers[0].sizes;
  const std::uint64_t expected[3] = {requests_region_bytes(sizes_), keys_region_bytes(sizes_),
                                     state_region_bytes(sizes_)};
  for (std::size_t i = 0; i < 3; ++i) {
    if (headers[i].instance != headers[0].instance || headers[i].sizes != sizes_ ||
        mappings_[i].bytes != expected[i]) {
      unmap();
      return "the three regions do not belong together";
    }
  }
  mlock(mappings_[1].base, mappings_[1].bytes);

  requests_ = reinterpret_cast<RequestsHead*>(mappings_[0].base);
  state_ = reinterpret_cast<StateHead*>(mappings_[2].base);
  sa_specs_ = array_at<SaSpec>(mappings_[0].base, sa_specs_offset(), sizes_.max_sas);
  policy_specs_ =
      array_at<PolicySpec>(mappings_[0].base, policy_specs_offset(sizes_), sizes_.max_policies);
  sa_notes_ = array_at<SaNote>(mappings_[0].base, sa_notes_offset(sizes_), sizes_.max_sas);
  policy_notes_ =
      array_at<PolicyNote>(mappings_[0].base, policy_notes_offset(sizes_), sizes_.max_policies);
  keys_ = array_at<KeySlot>(mappings_[1].base, key_slots_offset(), sizes_.max_sas);
  sa_states_ = array_at<SaState>(mappings_[2].base, sa_states_offset(), sizes_.max_sas);
  policy_states_ =
      array_at<PolicyState>(mappings_[2].base, policy_states_offset(sizes_), sizes_.max_policies);
  windows_ = array_at<std::atomic<std::uint64_t>>(mappings_[2].base, windows_offset(sizes_),
                                                  sizes_.window_slots);
  return {};
}

std::string create_regions(const RegionSizes& sizes, const StartConfig& start,
                           Descriptors& descriptors) {
  descriptors.fill(-1);
  int& requests = descriptors[static_cast<std::size_t>(Descriptor::requests)];
  int& keys = descriptors[static_cast<std::size_t>(Descriptor::keys)];
  int& state = descriptors[static_cast<std::size_t>(Descriptor::state)];
  std::string error = create_region("culvert-requests", requests_region_bytes(sizes), requests);
  if (error.empty()) error = create_region("culvert-keys", keys_region_bytes(sizes), keys);
  if (error.empty()) error = create_region("culvert-state", state_region_bytes(sizes), state);
  if (!error.empty()) return error;

  RegionHeader header{.version = kLayoutVersion, .sizes = sizes};
  if (getrandom(&header.instance, sizeof header.instance, 0) !=
      static_cast<ssize_t>(sizeof header.instance)) {
    return system_error("no randomness from the kernel");
  }
  header.magic = kRequestsMagic;
  header.region_bytes = requests_region_bytes(sizes);
  error = write_head<RequestsHead>(requests, header,
                                   [&start](RequestsHead& head) { head.start = start; });
  header.magic = kKeysMagic;
  header.region_bytes = keys_region_bytes(sizes);
  if (error.empty()) error = write_head<KeysHead>(keys, header, [](KeysHead&) {});
  header.magic = kStateMagic;
  header.region_bytes = state_region_bytes(sizes);
  if (error.empty()) error = write_head<StateHead>(state, header, [](StateHead&) {});
  for (const Descriptor bell : {Descriptor::request_bell, Descriptor::state_bell}) {
    const int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (descriptor < 0 && error.empty()) error = system_error("cannot create an eventfd");
    descriptors[static_cast<std::size_t>(bell)] = descriptor;
  }
  return error;
}

std::string send_descriptors(int socket, const Descriptors& descriptors) {
  char byte = 'c';
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(Descriptors))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(Descriptors));
  std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(Descriptors));
  if (sendmsg(socket, &message, MSG_NOSIGNAL) != 1) return system_error("cannot hand over regions");
  return {};
}

std::string receive_descriptors(const std::string& path, Descriptors& descriptors) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return path + ": too long for a unix socket";
  std::memcpy(address.sun_path, path.data(), path.size());
  const int socket_descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_descriptor < 0) return system_error("cannot create a unix socket");
  if (connect(socket_descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const std::string error = system_error(path) + "; is `culvert up` running?";
    close(socket_descriptor);
    return error;
  }
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(Descriptors))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t received = recvmsg(socket_descriptor, &message, MSG_CMSG_CLOEXEC);
  close(socket_descriptor);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (received != 1 || header == nullptr || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(Descriptors))) {
    return path + ": the supervisor refused, or is of another version";
  }
  std::memcpy(descriptors.data(), CMSG_DATA(header), sizeof(Descriptors));
  return {};
}

}  // namespace culvert
