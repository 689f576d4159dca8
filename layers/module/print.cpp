#include <ostream>
#include <sstream>

#include "normgrad/core/base/detail/with_commas.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace {

std::string count_text(std::int64_t count) {
  return detail::with_commas(count) + (count == 1 ? " parameter" : " parameters");
}

std::string sizes_text(const Shape& shape) {
  std::ostringstream text;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    text << (i > 0 ? "x" : "") << shape[i];
  }
  return shape.empty() ? "scalar" : text.str();
}

// Collects the text between the parentheses of a module with children: one line per member.
class MemberLines : public MemberVisitor {
 public:
  explicit MemberLines(std::string indent) : indent_(std::move(indent)) {}

  void parameter(const std::string& name, Parameter& parameter) override {
    const std::string size = sizes_text(parameter.shape());
    sizes += (sizes.empty() ? "" : ", ") + size;
    lines << indent_ << "(" << name << "): Parameter  [" << size << "]  " << count_text(parameter.numel()) << "\n";
  }
  void buffer(const std::string&, StateBuffer&) override {}
  void child(const std::string& name, Module& child) override;

  std::ostringstream lines;
  std::string sizes;
  bool has_children = false;

 private:
  std::string indent_;
};

std::string tree_text(Module& module, const std::string& indent) {
  MemberLines members(indent + "  ");
  module.members(members);
  const std::string head = module.type_name() + "(" + module.extra_repr();
  if (members.has_children) {
    return head + "\n" + members.lines.str() + indent + ")";
  }
  return head + ")" +
         (members.sizes.empty() ? "" : "  [" + members.sizes + "]  " + count_text(module.num_parameters()));
}

void MemberLines::child(const std::string& name, Module& child) {
  has_children = true;
  lines << indent_ << "(" << name << "): " << tree_text(child, indent_) << "\n";
}

}  // namespace

std::string to_string(const Module& module) {
  Module& root = const_cast<Module&>(module);  // members() is not const, but nothing is changed here
  const std::string text = tree_text(root, "");
  return root.named_children().empty() ? text : text + "  total " + count_text(module.num_parameters());
}

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << to_string(module); }

}  // namespace normgrad
