// Einstein's sum convention.
#pragma once

#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Sums of products of any number of tensors, as torch.einsum. Each operand has a term, with a letter per axis: axes of
/// the same letter are multiplied element by element, and letters that the result lacks are summed over. Terms are
/// separated by commas; "->" and the letters of the result follow. A letter twice in a term takes the diagonal. "..."
/// stands for further axes, which broadcast. Without "->" the result has the axes of "...", then the letters that occur
/// once, in alphabetical order. Sizes of 1 broadcast. Blanks are ignored.
///
///   einsum("bij,bjk->bik", {a, b});   // bmm
///   einsum("i,j,ijk", {x, y, w});     // a bilinear form
///   einsum("...ii->...", {x});        // traces
///
/// float32 or float64, of one dtype; differentiable to any order. Operands are multiplied from the left to the right.
/// Throws ValueError for an equation that is not of this form, and ShapeError for other numbers of axes or sizes that
/// differ.
Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands);

}  // namespace normgrad
