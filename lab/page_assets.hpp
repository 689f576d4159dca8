// The parts of the page other than data: page.html, page.css and page.js, compiled into the program.
#pragma once

namespace lab {

const char* page_template();
const char* page_style();
const char* page_script();

}  // namespace lab
