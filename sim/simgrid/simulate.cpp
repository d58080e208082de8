#include "sim/simgrid/simulate.hpp"

#include <simgrid/kernel/routing/NetPoint.hpp>
#include <simgrid/kernel/routing/NetZoneImpl.hpp>
#include <simgrid/s4u.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

namespace moesaic {
namespace {

namespace routing = simgrid::kernel::routing;
namespace s4u = simgrid::s4u;

// Transfers of one host. The end of each is searched for in a list of its actor's, and an actor costs a stack.
constexpr std::size_t kFlowsPerHost = 16;

// SimGrid counts whole bytes, and takes events within 1e-9 s for one. Bytes and seconds are scaled so that this is a
// billionth of the smallest flow and of the time that the busiest channel takes.
constexpr double kSmallestFlow = 1e9;
constexpr double kLargestFlow = 1e18;  // fits into the 64 bits that SimGrid counts with
constexpr double kBusiest = 100;

struct Scale {
  double bytes = 1;
  double seconds = 1;

  explicit Scale(const WholeFlows& flows) {
    std::vector<double> busy(flows.capacity.size());
    for (std::size_t flow = 0; flow < flows.bytes.size(); ++flow) {
      for (std::uint32_t i = flows.first[flow]; i < flows.first[flow + 1]; ++i) {
        busy[flows.channel[i]] += flows.bytes[flow] / flows.capacity[flows.channel[i]];
      }
    }
    const auto [smallest, largest] = std::minmax_element(flows.bytes.begin(), flows.bytes.end());
    bytes = std::min(kSmallestFlow / *smallest, kLargestFlow / *largest);
    seconds = kBusiest / *std::max_element(busy.begin(), busy.end());
  }
};

/// A zone in which every pair of different hosts has the route of one flow: flow i leaves host i modulo their number.
class FlowZone : public routing::NetZoneImpl {
 public:
  FlowZone(const WholeFlows& flows, const Scale& scale) : NetZoneImpl("flows"), flows_(flows) {
    const std::size_t count = flows.bytes.size();
    while (hosts_.size() < 2 || hosts_.size() * std::min(hosts_.size() - 1, kFlowsPerHost) < count) {
      hosts_.push_back(get_iface()->create_host("h" + std::to_string(hosts_.size()), 1.0));
    }
    for (std::size_t channel = 0; channel < flows.capacity.size(); ++channel) {
      links_.push_back(get_iface()->create_link("l" + std::to_string(channel),
                                                flows.capacity[channel] * scale.bytes / scale.seconds));
      links_.back()->set_latency(0);  // with a latency SimGrid would share links by the inverse of round-trip times
    }
  }

  const std::vector<s4u::Host*>& hosts() const { return hosts_; }
  std::size_t source(std::size_t flow) const { return flow % hosts_.size(); }
  std::size_t destination(std::size_t flow) const { return (flow + 1 + flow / hosts_.size()) % hosts_.size(); }

 private:
  void get_local_route(const routing::NetPoint* source, const routing::NetPoint* destination, routing::Route* into,
                       double*) override {
    const std::size_t from = source->id();
    const std::size_t apart = (destination->id() + hosts_.size() - from - 1) % hosts_.size();
    const std::size_t flow = apart * hosts_.size() + from;
    for (std::uint32_t i = flows_.first[flow]; i < flows_.first[flow + 1]; ++i) {
      into->link_list_.push_back(links_[flows_.channel[i]]->get_impl());
    }
  }

  const WholeFlows& flows_;
  std::vector<s4u::Host*> hosts_;
  std::vector<s4u::Link*> links_;
};

}  // namespace

std::vector<double> simulate_flows(const WholeFlows& flows) {
  std::vector<double> ends(flows.bytes.size());
  if (ends.empty()) {
    return ends;
  }
  const Scale scale(flows);
  s4u::Engine engine("moesaic-simgrid");
  for (const char* setting : {"network/model:CM02", "network/crosstraffic:0", "network/TCP-gamma:0",
                              "contexts/stack-size:64", "surf/precision:1e-9"}) {
    s4u::Engine::set_config(setting);
  }
  auto* zone = new FlowZone(flows, scale);  // the engine owns its zones
  zone->get_iface()->seal();

  std::vector<std::size_t> order(ends.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return flows.release[a] < flows.release[b]; });
  std::vector<std::vector<std::size_t>> sent(zone->hosts().size());
  std::vector<std::vector<std::size_t>> received(zone->hosts().size());
  for (const std::size_t flow : order) {
    sent[zone->source(flow)].push_back(flow);
    received[zone->destination(flow)].push_back(flow);
  }
  const auto mailbox = [](std::size_t flow) { return s4u::Mailbox::by_name(std::to_string(flow)); };
  int payload = 0;
  for (std::size_t host = 0; host < zone->hosts().size(); ++host) {
    s4u::Actor::create("sender", zone->hosts()[host], [&, host] {
      std::vector<s4u::CommPtr> transfers;
      for (const std::size_t flow : sent[host]) {
        s4u::this_actor::sleep_until(flows.release[flow] * scale.seconds);
        const auto bytes = static_cast<std::uint64_t>(std::llround(flows.bytes[flow] * scale.bytes));
        transfers.push_back(mailbox(flow)->put_async(&payload, bytes));
      }
      for (std::size_t i = 0; i < transfers.size(); ++i) {
        transfers[i]->wait();
        ends[sent[host][i]] = transfers[i]->get_finish_time() / scale.seconds;
      }
    });
    s4u::Actor::create("receiver", zone->hosts()[host], [&, host] {
      std::vector<s4u::CommPtr> transfers;
      std::vector<int*> payloads(received[host].size());
      for (std::size_t i = 0; i < payloads.size(); ++i) {
        transfers.push_back(mailbox(received[host][i])->get_async(&payloads[i]));
      }
      s4u::Comm::wait_all(transfers);
    });
  }
  engine.run();
  return ends;
}

}  // namespace moesaic
