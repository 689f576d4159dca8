#include "normgrad/core/kernels/conv/onednn_conv.hpp"

#include <algorithm>
#include <cstring>
#include <list>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <oneapi/dnnl/dnnl.hpp>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/conv/signal_shield.hpp"

namespace normgrad::kernels::onednn {

namespace {

using dnnl::memory;
using normgrad::detail::BeforeMain;
using normgrad::detail::ForkSafeMutex;
using Tag = memory::format_tag;

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& stream() {
  static thread_local dnnl::stream stream(cpu());
  return stream;
}

// oneDNN takes non-const arrays; a primitive writes only to its output arguments.
memory wrap(const memory::desc& desc, const float* data) { return {desc, cpu(), const_cast<float*>(data)}; }

memory scratch(const memory::desc& desc, Buffer& keeper) {
  keeper = Buffer(desc.get_size());
  return {desc, cpu(), keeper.data()};
}

// A convolution in oneDNN's terms; a depth of 1 is omitted.
struct Description {
  memory::dims x, w, bias, y, stride, dilation, padding_before, padding_after;
  Tag plain_tag, last_tag, w_tag;

  explicit Description(const ConvGeometry& g) {
    const bool flat = g.in[0] == 1 && g.kernel[0] == 1 && g.padding[0] == 0 && g.out[0] == 1;
    const bool grouped = g.groups != 1;
    x = {g.n, g.c_in};
    w = {g.c_out / g.groups, g.c_in / g.groups};
    if (grouped) {
      w.insert(w.begin(), g.groups);
    }
    bias = {g.c_out};
    y = {g.n, g.c_out};
    for (std::size_t i = flat ? 1 : 0; i < 3; ++i) {
      x.push_back(g.in[i]);
      w.push_back(g.kernel[i]);
      y.push_back(g.out[i]);
      stride.push_back(g.stride[i]);
      dilation.push_back(g.dilation[i] - 1);
      padding_before.push_back(g.padding[i]);
      padding_after.push_back(
          std::max<memory::dim>(0, (g.out[i] - 1) * g.stride[i] + g.extent(i) - g.in[i] - g.padding[i]));
    }
    plain_tag = flat ? Tag::nchw : Tag::ncdhw;
    last_tag = flat ? Tag::nhwc : Tag::ndhwc;
    w_tag = flat ? (grouped ? Tag::goihw : Tag::oihw) : (grouped ? Tag::goidhw : Tag::oidhw);
  }
};

// Layout of x and y in which a pass computes. Measured on 3x3 convolutions of 32 channels and more, in GFLOP/s with a
// peak of 120: row-major 62 to 78; blocked ("any") 103 to 110, including the conversions from and to row-major;
// channels-last 110 to 120 for channels-last x and y. Row-major is as fast where the product needs no unfolding (1x1),
// and 6 times faster for the input gradient of fewer than 8 channels.
Tag computing_tag(const ConvGeometry& g, ConvPass pass, const Description& d) {
  const ConvGeometry::Sizes ones{1, 1, 1};
  const bool depthwise = g.groups == g.c_in && g.groups == g.c_out;
  if (pass == ConvPass::backward_input && !depthwise && g.c_in / g.groups < 8) {
    return d.plain_tag;
  }
  // oneDNN 2.6 with AVX2 writes past its scratchpad in the weight gradient of a strided 1x1 convolution of fewer than 8
  // channels-last channels (jit_1x1:avx2).
  if (pass == ConvPass::backward_weight && g.kernel == ones && g.stride != ones && g.c_in / g.groups < 8) {
    return d.plain_tag;
  }
  if (g.channels_last) {
    return d.last_tag;
  }
  const bool pointwise =
      g.groups == 1 && g.kernel == ones && g.stride == ones && g.padding == ConvGeometry::Sizes{0, 0, 0};
  return pointwise ? d.plain_tag : Tag::any;
}

template <class F>
auto translate_errors(const char* what, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& error) {
    fail<Error>("oneDNN: ", what, " failed: ", error.what());
  }
}

}  // namespace

struct Convolution::Impl {
  ConvPass pass;
  memory::desc x_user, w_user, y_user;
  memory::desc x, w, y, bias, scratchpad;
  dnnl::primitive primitive;
  bool uses_gemm = false;  // see SignalShield
  // Conversions of x and y, in either direction; empty if the layouts are the same.
  dnnl::reorder convert_x, convert_y, pack_w, unpack_w;

  Impl(const ConvGeometry& g, ConvPass which, bool with_bias) : pass(which) {
    const Description d(g);
    constexpr auto f32 = memory::data_type::f32;
    const Tag user_tag = g.channels_last ? d.last_tag : d.plain_tag;
    x_user = {d.x, f32, user_tag};
    w_user = {d.w, f32, d.w_tag};
    y_user = {d.y, f32, user_tag};
    bias = {d.bias, f32, Tag::x};
    const Tag data_tag = computing_tag(g, pass, d);
    const memory::desc any_x(d.x, f32, data_tag), any_w(d.w, f32, Tag::any), any_y(d.y, f32, data_tag);
    make(d, any_x, any_w, any_y, with_bias);
    const char* name = nullptr;
    const dnnl_status_t status = dnnl_primitive_desc_query(primitive.get_primitive_desc(), dnnl_query_impl_info_str, 0,
                                                           static_cast<void*>(&name));
    uses_gemm = status != dnnl_success || std::strstr(name, "gemm") != nullptr;
    const bool x_is_result = pass == ConvPass::backward_input;
    const bool y_is_result = pass == ConvPass::forward;
    convert_x = conversion(x_is_result ? x : x_user, x_is_result ? x_user : x);
    convert_y = conversion(y_is_result ? y : y_user, y_is_result ? y_user : y);
    pack_w = conversion(w_user, w);
    unpack_w = conversion(w, w_user);
  }

  void make(const Description& d, const memory::desc& any_x, const memory::desc& any_w, const memory::desc& any_y,
            bool with_bias);

  static dnnl::reorder conversion(const memory::desc& from, const memory::desc& to) {
    return from == to ? dnnl::reorder() : dnnl::reorder(dnnl::reorder::primitive_desc(cpu(), from, cpu(), to));
  }

  static void convert(const dnnl::reorder& reorder, const memory::desc& from_desc, const float* from,
                      const memory::desc& to_desc, float* to) {
    memory source = wrap(from_desc, from);
    memory target = wrap(to_desc, to);
    reorder.execute(stream(), source, target);
  }
};

#if DNNL_VERSION_MAJOR >= 3
void Convolution::Impl::make(const Description& d, const memory::desc& any_x, const memory::desc& any_w,
                             const memory::desc& any_y, bool with_bias) {
  using dnnl::convolution_forward, dnnl::convolution_backward_data, dnnl::convolution_backward_weights;
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const convolution_forward::primitive_desc forward(cpu(), dnnl::prop_kind::forward_training, direct, any_x, any_w,
                                                    with_bias ? bias : memory::desc(), any_y, d.stride, d.dilation,
                                                    d.padding_before, d.padding_after, attr);
  if (pass == ConvPass::forward) {
    std::tie(x, w, y) = std::tuple(forward.src_desc(), forward.weights_desc(), forward.dst_desc());
    scratchpad = forward.scratchpad_desc();
    primitive = convolution_forward(forward);
  } else if (pass == ConvPass::backward_input) {
    const convolution_backward_data::primitive_desc data(cpu(), direct, any_x, any_w, any_y, d.stride, d.dilation,
                                                         d.padding_before, d.padding_after, forward, attr);
    std::tie(x, w, y) = std::tuple(data.diff_src_desc(), data.weights_desc(), data.diff_dst_desc());
    scratchpad = data.scratchpad_desc();
    primitive = convolution_backward_data(data);
  } else {
    const convolution_backward_weights::primitive_desc weight(cpu(), direct, any_x, any_w, any_y, d.stride, d.dilation,
                                                              d.padding_before, d.padding_after, forward, attr);
    std::tie(x, w, y) = std::tuple(weight.src_desc(), weight.diff_weights_desc(), weight.diff_dst_desc());
    scratchpad = weight.scratchpad_desc();
    primitive = convolution_backward_weights(weight);
  }
}
#else
void Convolution::Impl::make(const Description& d, const memory::desc& any_x, const memory::desc& any_w,
                             const memory::desc& any_y, bool with_bias) {
  using dnnl::convolution_forward, dnnl::convolution_backward_data, dnnl::convolution_backward_weights;
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, direct, any_x, any_w, with_bias ? bias : memory::desc(), any_y, d.stride,
       d.dilation, d.padding_before, d.padding_after},
      attr, cpu());
  if (pass == ConvPass::forward) {
    std::tie(x, w, y) = std::tuple(forward.src_desc(), forward.weights_desc(), forward.dst_desc());
    scratchpad = forward.scratchpad_desc();
    primitive = convolution_forward(forward);
  } else if (pass == ConvPass::backward_input) {
    const convolution_backward_data::primitive_desc data(
        {direct, any_x, any_w, any_y, d.stride, d.dilation, d.padding_before, d.padding_after}, attr, cpu(), forward);
    std::tie(x, w, y) = std::tuple(data.diff_src_desc(), data.weights_desc(), data.diff_dst_desc());
    scratchpad = data.scratchpad_desc();
    primitive = convolution_backward_data(data);
  } else {
    const convolution_backward_weights::primitive_desc weight(
        {direct, any_x, any_w, any_y, d.stride, d.dilation, d.padding_before, d.padding_after}, attr, cpu(), forward);
    std::tie(x, w, y) = std::tuple(weight.src_desc(), weight.diff_weights_desc(), weight.diff_dst_desc());
    scratchpad = weight.scratchpad_desc();
    primitive = convolution_backward_weights(weight);
  }
}
#endif

Convolution::Convolution(const ConvGeometry& geometry, ConvPass pass, bool bias) {
  // oneDNN fixes the number of threads when a primitive is created; within a task it is one.
  parallel_tasks(1, [&](std::int64_t) {
    impl_ = translate_errors("making a convolution", [&] { return std::make_unique<Impl>(geometry, pass, bias); });
  });
}

Convolution::~Convolution() = default;

std::size_t Convolution::weight_floats() const { return impl_->w.get_size() / sizeof(float); }

void Convolution::pack_weight(const float* w, float* packed) const {
  if (impl_->pack_w) {
    Impl::convert(impl_->pack_w, impl_->w_user, w, impl_->w, packed);
  } else {
    std::copy_n(w, weight_floats(), packed);
  }
}

void Convolution::unpack_weight(const float* packed, float* w) const {
  if (impl_->unpack_w) {
    Impl::convert(impl_->unpack_w, impl_->w, packed, impl_->w_user, w);
  } else {
    std::copy_n(packed, weight_floats(), w);
  }
}

void Convolution::run(const float* first, const float* second, const float* bias, float* result) const {
  const Impl& c = *impl_;
  Buffer x_keeper, y_keeper, scratch_keeper;
  // Returns an operand in the primitive's layout: the caller's array or a converted copy.
  const auto input = [](const dnnl::reorder& reorder, const memory::desc& user, const memory::desc& own,
                        const float* data, Buffer& keeper) {
    if (!reorder) {
      return wrap(own, data);
    }
    memory copy = scratch(own, keeper);
    memory source = wrap(user, data);
    reorder.execute(stream(), source, copy);
    return copy;
  };
  const auto output = [](const dnnl::reorder& reorder, const memory::desc& own, float* data, Buffer& keeper) {
    return reorder ? scratch(own, keeper) : wrap(own, data);
  };
  const memory scratchpad = scratch(c.scratchpad, scratch_keeper);
  std::optional<SignalShield> shield;
  if (c.uses_gemm) {
    shield.emplace();
  }
  translate_errors("a convolution", [&] {
    switch (c.pass) {
      case ConvPass::forward: {
        memory y = output(c.convert_y, c.y, result, y_keeper);
        c.primitive.execute(stream(), {{DNNL_ARG_SRC, input(c.convert_x, c.x_user, c.x, first, x_keeper)},
                                       {DNNL_ARG_WEIGHTS, wrap(c.w, second)},
                                       {DNNL_ARG_BIAS, wrap(c.bias, bias)},
                                       {DNNL_ARG_DST, y},
                                       {DNNL_ARG_SCRATCHPAD, scratchpad}});
        if (c.convert_y) {
          memory target = wrap(c.y_user, result);
          c.convert_y.execute(stream(), y, target);
        }
        break;
      }
      case ConvPass::backward_input: {
        memory gx = output(c.convert_x, c.x, result, x_keeper);
        c.primitive.execute(stream(), {{DNNL_ARG_DIFF_DST, input(c.convert_y, c.y_user, c.y, first, y_keeper)},
                                       {DNNL_ARG_WEIGHTS, wrap(c.w, second)},
                                       {DNNL_ARG_DIFF_SRC, gx},
                                       {DNNL_ARG_SCRATCHPAD, scratchpad}});
        if (c.convert_x) {
          memory target = wrap(c.x_user, result);
          c.convert_x.execute(stream(), gx, target);
        }
        break;
      }
      case ConvPass::backward_weight:
        c.primitive.execute(stream(), {{DNNL_ARG_DIFF_DST, input(c.convert_y, c.y_user, c.y, first, y_keeper)},
                                       {DNNL_ARG_SRC, input(c.convert_x, c.x_user, c.x, second, x_keeper)},
                                       {DNNL_ARG_DIFF_WEIGHTS, wrap(c.w, result)},
                                       {DNNL_ARG_SCRATCHPAD, scratchpad}});
        break;
    }
  });
}

namespace {

struct Key {
  ConvGeometry geometry;
  ConvPass pass;
  bool bias;
  friend bool operator==(const Key&, const Key&) = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const noexcept {
    const ConvGeometry& g = key.geometry;
    std::size_t hash = static_cast<std::size_t>(key.pass) * 4 + (key.bias ? 2 : 0) + (g.channels_last ? 1 : 0);
    const auto mix = [&hash](std::int64_t value) {
      hash = (hash ^ static_cast<std::size_t>(value)) * std::size_t{0x9E3779B97F4A7C15};
      hash ^= hash >> 29;
    };
    for (const std::int64_t value : {g.n, g.c_in, g.c_out, g.groups}) {
      mix(value);
    }
    for (const auto* sizes : {&g.in, &g.out, &g.kernel, &g.stride, &g.padding, &g.dilation}) {
      for (const std::int64_t value : *sizes) {
        mix(value);
      }
    }
    return hash;
  }
};

// A cache of the most recently used primitives.
class Cache {
 public:
  std::shared_ptr<const Convolution> get(const Key& key) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
    entries_.emplace_front(key, std::make_shared<const Convolution>(key.geometry, key.pass, key.bias));
    index_[key] = entries_.begin();
    if (entries_.size() > kCapacity) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return entries_.front().second;
  }

 private:
  static constexpr std::size_t kCapacity = 512;
  using Entries = std::list<std::pair<Key, std::shared_ptr<const Convolution>>>;

  ForkSafeMutex mutex_{ForkSafeMutex::Rank::primitives};
  Entries entries_;
  std::unordered_map<Key, Entries::iterator, KeyHash> index_;
};

Cache& cache() {
  static auto* instance = new Cache;  // NOLINT(cppcoreguidelines-owning-memory): fork() may take its mutex to the end
  return *instance;
}

const BeforeMain cache_exists([] {
  cpu();
  cache();
});

}  // namespace

std::shared_ptr<const Convolution> Convolution::get(const ConvGeometry& geometry, ConvPass pass, bool bias) {
  return cache().get({geometry, pass, bias});
}

}  // namespace normgrad::kernels::onednn
