// What the tests want to know of TaggerSession beyond what the golden jets show.
#include "tagger_session.hpp"

#include <functional>
#include <iostream>
#include <limits>
#include <thread>

using salt_like::Columns;
using salt_like::Jet;
using salt_like::TaggerSession;

namespace {

Jet jet_of(std::size_t tracks, std::size_t flows) {
  Jet jet;
  jet["jets"] = {2, {static_cast<float>(tracks), 0.5f}};
  for (std::size_t k = 0; k < tracks; ++k)
    jet["tracks"].values.insert(jet["tracks"].values.end(), {static_cast<float>(k + 1), 0.f, 0.f});
  jet["tracks"].variables = 3;
  jet["flows"] = {1, std::vector<float>(flows, 7.f)};
  return jet;
}

void show(const Columns& columns) {
  for (const auto& [name, column] : columns) {
    std::cout << name;
    for (std::size_t jet = 0; jet + 1 < column.begin.size(); ++jet) {
      std::cout << " |";
      for (std::size_t k = 0; k < column.size(jet); ++k)
        if (column.indices.empty())
          std::cout << ' ' << column.value(jet, k);
        else
          std::cout << ' ' << column.index(jet, k);
    }
    std::cout << '\n';
  }
}

void fails(const std::function<void()>& call) {
  try {
    call();
    std::cout << "no error\n";
  } catch (const std::invalid_argument& error) {
    std::cout << "invalid_argument: " << error.what() << '\n';
  } catch (const std::out_of_range& error) {
    std::cout << "out_of_range: " << error.what() << '\n';
  } catch (const std::runtime_error& error) {
    std::cout << "runtime_error: " << error.what() << '\n';
  }
}

void errors(const TaggerSession& session) {
  const auto changed = [&](const std::function<void(Jet&)>& change) {
    Jet jet = jet_of(2, 1);
    change(jet);
    fails([&] { session.run_one(jet); });
  };
  changed([](Jet& jet) { jet.erase("flows"); });
  changed([](Jet& jet) { jet.erase("jets"); });
  changed([](Jet& jet) { jet["trakcs"] = {}; });
  changed([](Jet& jet) { jet["tracks"] = {2, {1.f, 2.f, 3.f, 4.f, 5.f, 6.f}}; });
  changed([](Jet& jet) { jet["tracks"] = {3, {1.f, 2.f, 3.f, 4.f}}; });
  changed([](Jet& jet) { jet["jets"] = {2, {1.f, 2.f, 3.f, 4.f}}; });
  changed([](Jet& jet) { jet["jets"] = {}; });
  fails([&] { session.run({jet_of(1, 1), Jet{}}); });
  fails([&] { session.run_one(jet_of(2, 1)).at("tracks_twice").value(0, 2); });
}

bool threads(const TaggerSession& session) {
  std::vector<Jet> jets;
  for (std::size_t n = 0; n < 20; ++n) jets.push_back(jet_of(n, n % 3));
  const Columns alone = session.run(jets);
  std::vector<int> same(4, 1);
  std::vector<std::thread> all;
  for (int& mine : same)
    all.emplace_back([&] {
      for (int round = 0; round < 50; ++round)
        for (const auto& [name, column] : session.run(jets))
          mine = mine && column.values == alone.at(name).values && column.indices == alone.at(name).indices;
    });
  for (std::thread& one : all) one.join();
  return same == std::vector<int>(4, 1);
}

const OrtApi* ORT_API_CALL refuses(std::uint32_t version) noexcept {
  std::cout << "asked for " << version << '\n';
  return nullptr;
}
const char* ORT_API_CALL ancient() noexcept { return "1.16.3"; }

}  // namespace

int main(int, char** words) {
  const std::string what = words[1];
  if (what == "old") {
    const OrtApiBase base{&refuses, &ancient};
    fails([&] { TaggerSession(words[2], 1, &base); });
    return 0;
  }
  if (what == "open") {
    fails([&] { TaggerSession session(words[2]); });
    return 0;
  }
  TaggerSession first(words[2]);
  const TaggerSession session(std::move(first));
  if (what == "jets") {
    show(session.run({jet_of(2, 0), jet_of(0, 1), jet_of(0, 0), jet_of(3, 2)}));
    std::cout << "alone\n";
    show(session.run_one(jet_of(0, 0)));
    std::cout << "no jets\n";
    show(session.run(std::vector<Jet>{}));
    for (const auto& one : session.inputs())
      std::cout << one.name << ' ' << one.variables << ' ' << one.constituents << '\n';
    for (const auto& one : session.outputs())
      std::cout << one.name << ' ' << one.index << " '" << one.constituents << "'\n";
    std::cout << session.batched() << ' ' << session.metadata("color") << session.metadata("nothing") << '\n';
  } else if (what == "errors") {
    errors(session);
  } else {
    std::cout << (threads(session) ? "equal" : "different") << '\n';
  }
}
