/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "rowtext.h"

#include <stdlib.h>
#include <string.h>
#include "text.h"

void
rowtext_parse(const uint8_t *data, size_t size, struct smap *ids,
              struct smap *options)
{
    char *text = text_of(data, size);
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        bool option = line[0] == ' ';
        char *value = strchr(line, '=');

        if (value && (options || !option)) {
            *value++ = '\0';
            smap_replace(option ? options : ids, line + option, value);
        }
    }
    free(text);
}
