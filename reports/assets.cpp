#include "reports/assets.hpp"

// The assembler includes the files; reports/CMakeLists.txt defines the paths and makes them dependencies. A label
// before and one after the bytes bound them.
#define MOESAIC_BEGIN(symbol) ".pushsection .rodata\n.global " #symbol "\n.hidden " #symbol "\n" #symbol ":\n"
#define MOESAIC_FILE(path) ".incbin \"" path "\"\n.byte 10\n"
#define MOESAIC_END(symbol) ".global " #symbol "\n.hidden " #symbol "\n" #symbol ":\n.byte 0\n.popsection\n"

asm(MOESAIC_BEGIN(moesaic_style_begin)      //
    MOESAIC_FILE(MOESAIC_PAGE "/page.css")  //
    MOESAIC_END(moesaic_style_end));

asm(MOESAIC_BEGIN(moesaic_script_begin)          //
    MOESAIC_FILE(MOESAIC_PAGE "/theme.js")       //
    MOESAIC_FILE(MOESAIC_PAGE "/roofline.js")    //
    MOESAIC_FILE(MOESAIC_PAGE "/bars.js")        //
    MOESAIC_FILE(MOESAIC_PAGE "/curves.js")      //
    MOESAIC_FILE(MOESAIC_PAGE "/validation.js")  //
    MOESAIC_FILE(MOESAIC_PAGE "/search.js")      //
    MOESAIC_FILE(MOESAIC_PAGE "/page.js")        //
    MOESAIC_END(moesaic_script_end));

asm(MOESAIC_BEGIN(moesaic_chart_begin)  //
    MOESAIC_FILE(MOESAIC_CHART_JS)      //
    MOESAIC_END(moesaic_chart_end));

extern "C" {
extern const char moesaic_style_begin[];
extern const char moesaic_style_end[];
extern const char moesaic_script_begin[];
extern const char moesaic_script_end[];
extern const char moesaic_chart_begin[];
extern const char moesaic_chart_end[];
}

namespace moesaic {

std::string_view page_style() { return {moesaic_style_begin, moesaic_style_end}; }
std::string_view page_script() { return {moesaic_script_begin, moesaic_script_end}; }
std::string_view chart_library() { return {moesaic_chart_begin, moesaic_chart_end}; }

}  // namespace moesaic
